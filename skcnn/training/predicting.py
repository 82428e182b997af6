"""The half of the skorch net that is needed after training: predict, move, pickle."""

from __future__ import annotations

from functools import partial

import torch
from skorch import NeuralNet
from torch import nn

from skcnn.networks import Conv2d
from skcnn.training.inference import AUGMENTATIONS
from skcnn.training.pickling import pack, unpack


class PredictingNet(NeuralNet):
    """skorch's net, with outputs that do not depend on the batch, and small pickles.

    A subclass has the attributes `target_type` and `test_time_augmentation`, and gives batches.
    """

    def evaluation_step(self, batch, training=False):
        """Compute the outputs of a batch.

        Parameters
        ----------
        batch : Batch
            Images; their targets are not looked at.
        training : bool, default=False
            Whether dropout and the like are on.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Logits, or standardised targets.
        """
        images = batch[0].to(self.device)
        if len(images) == 1 and _depends_on_number(self.module_):
            return self.evaluation_step((images.expand(2, -1, -1, -1), None), training)[:1]
        if self.module_.training != training:
            self._set_training(training)
        with torch.set_grad_enabled(training):
            if self.test_time_augmentation is None:
                return self.infer(images)
            variants = AUGMENTATIONS[self.test_time_augmentation](images)
            return sum(weight * self.infer(variant) for weight, variant in variants)

    def forward_iter(self, X, training=False, device="cpu"):
        """Give the outputs batch by batch, in the order of the images whatever the mode.

        Parameters
        ----------
        X : ImageDataset, or images of shape (n_images, height, width, n_channels)
            The images.
        training : bool, default=False
            Whether dropout and the like are on.
        device : str or torch.device, default="cpu"
            Where the outputs are wanted.

        Yields
        ------
        outputs : tensor of shape (n_images_in_batch, n_outputs)
            Logits, or standardised targets.
        """
        for batch in self.get_iterator(self.get_dataset(X), training=False):
            yield self.evaluation_step(batch, training=training).to(device)

    def forward(self, X, training=False, device="cpu"):
        """Give the outputs of all images.

        They are written into one array as they come: small arrays that stay between the large ones
        of each batch would keep the memory of those from being used again.

        Parameters
        ----------
        X : ImageDataset, or images of shape (n_images, height, width, n_channels)
            The images.
        training : bool, default=False
            Whether dropout and the like are on.
        device : str or torch.device, default="cpu"
            Where the outputs are wanted.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Logits, or standardised targets.
        """
        dataset = self.get_dataset(X)
        outputs, start = None, 0
        for batch in self.forward_iter(dataset, training=training, device=device):
            if outputs is None:
                outputs = batch.new_empty((len(dataset), *batch.shape[1:]))
            outputs[start : start + len(batch)] = batch
            start += len(batch)
        return outputs

    def _get_predict_nonlinearity(self):
        if self.predict_nonlinearity == "auto" and self.target_type != "continuous":
            multiclass = self.target_type == "multiclass"
            return partial(torch.softmax, dim=1) if multiclass else torch.sigmoid
        return super()._get_predict_nonlinearity()

    def predict(self, X):
        """Give class indices, label indicators or numbers, as skorch's scoring callbacks expect.

        Parameters
        ----------
        X : ImageDataset, or images of shape (n_images, height, width, n_channels)
            The images.

        Returns
        -------
        y : array of shape (n_images,) or (n_images, n_outputs)
            Encoded predictions.
        """
        outputs = self.forward(X).numpy()
        if self.target_type == "multiclass":
            return outputs.argmax(axis=1)
        return (outputs > 0).astype(int) if self.target_type == "multilabel" else outputs

    def to_device(self, device):
        """Move the module, and the optimizer if there is one.

        Parameters
        ----------
        device : torch.device
            Where to.
        """
        if torch.device(self.device) == device:
            return
        self.device = str(device)
        self.module_.to(device)
        if getattr(self, "optimizer_", None) is not None:
            self.optimizer_.load_state_dict(self.optimizer_.state_dict())

    def __getstate__(self):
        """Keep what predicting needs; an optimizer only where training is to go on."""
        state = vars(self).copy()
        state.update(callbacks=None, callbacks_=[], train_split=None)  # callbacks pickle midway
        state.update(module=None, optimizer_=None, device="cpu")
        optimizer = self.optimizer_.state_dict() if self.warm_start and self.optimizer_ else None
        packed = (state.pop("module_"), state.pop("history_"), optimizer)
        return {**state, "packed": pack(packed)}

    def __setstate__(self, state):
        state = dict(state)
        module, history, optimizer = unpack(state.pop("packed"))
        vars(self).update(state, module=module, module_=module, history_=history)
        if optimizer is not None:
            self.initialize_optimizer()
            self.optimizer_.load_state_dict(optimizer)


def _depends_on_number(module):
    """Tell whether one image is convolved another way than several, with other last digits."""
    return any(isinstance(m, nn.Conv2d) and not isinstance(m, Conv2d) for m in module.modules())
