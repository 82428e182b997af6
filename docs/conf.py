"""How Sphinx builds the site: ``sphinx-build -W --keep-going docs docs/_build``."""

import sys
from pathlib import Path

from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (for the gallery's links)

import skcnn

sys.path.insert(0, str(Path(__file__).parent))  # backbone_table

project = "skcnn"
author = "The skcnn developers"
project_copyright = "2026, The skcnn developers"
version = release = skcnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "backbone_table",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
default_role = "literal"
add_module_names = False

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections give the types
numpydoc_show_class_members = False  # the class template lists them
numpydoc_xref_param_type = False

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)\w+\.py$",  # applications, which the user guide shows
    "abort_on_example_error": True,
    "min_reported_time": 1,
    "plot_gallery": True,  # -D sphinx_gallery_conf.plot_gallery=False builds without running them
    "remove_config_comments": True,
    "show_memory": False,
    "thumbnail_size": (640, 448),  # pixels; the user guide shows thumbnails as its figures
}

html_theme = "pydata_sphinx_theme"
html_title = f"skcnn {version}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["gallery.css", "pages.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
