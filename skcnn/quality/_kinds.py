"""The kinds of issues: what each means, and whether an image with it is unusable."""

from __future__ import annotations

# In the order of reports. Each description follows the name of the kind in a table.
DESCRIPTIONS = {
    "unreadable": "the file does not exist or is not a valid image",
    "truncated": "the pixels of the file end early or are damaged",
    "misnamed": "the format is not that of the suffix",
    "litter": "the file is not an image",
    "not_loaded": "image that load_image_folder leaves out",
    "multi_frame": "several pages or frames, of which one is read",
    "blank": "all pixels are equal",
    "near_blank": "almost all pixels are equal",
    "dark": "almost all pixels are dark",
    "light": "almost all pixels are white",
    "blurred": "no fine details",
    "low_information": "few different gray levels",
    "odd_size": "much smaller or larger than most images",
    "odd_aspect_ratio": "a very long or very wide image",
    "odd_mode": "gray where most are in color, or the reverse",
    "placeholder": "the same picture many times",
    "unlike_class": "colors and contrast unlike all others of its class",
    "exact_duplicate": "equal to an earlier image of the set",
    "near_duplicate": "almost equal to an earlier image of the set",
    "leak": "training image equal to a test image",
    "near_leak": "training image almost equal to a test image",
    "conflicting_labels": "equal images with different labels",
    "wrong_label": "the classifier is sure of another class",
    "no_label": "the label is missing",
    "rare_class": "class of few images",
    "empty_class": "class without images",
}
KINDS = tuple(DESCRIPTIONS)

# Images with an issue of these kinds cannot be used, or repeat others.
NOT_KEPT = (
    "unreadable",
    "truncated",
    "litter",
    "blank",
    "near_blank",
    "placeholder",
    "exact_duplicate",
    "leak",
    "conflicting_labels",
    "no_label",
)

# Kinds that say little if more than half of all images have them.
RELATIVE = ("dark", "light", "blurred", "low_information", "odd_aspect_ratio")
