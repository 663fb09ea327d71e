"""Muon (orthogonalised momentum) for the hidden matrices, Adam for the rest; f32 masters of bf16 weights."""
import torch


class Optimizer:
    def __init__(self, model, rate):
        self.parameters = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.master = [p.detach().float().clone() for _, p in self.parameters]
        self.first = [torch.zeros_like(w) for w in self.master]
        self.second = [torch.zeros_like(w) for w in self.master]
        self.matrices, self.rest = {}, []
        for i, (name, p) in enumerate(self.parameters):
            if p.dim() == 2 and name.startswith("blocks"):
                self.matrices.setdefault(tuple(p.shape), []).append(i)
            else:
                self.rest.append(i)
        self.rate, self.steps = rate, 0

    @torch.no_grad()
    def step(self, factor):
        """One update at `factor` of the peak rate. A non-finite gradient skips it and returns False."""
        gradients = [p.grad.float() for _, p in self.parameters]
        for _, p in self.parameters:
            p.grad = None
        norm = torch.stack([g.norm() for g in gradients]).norm()
        if not torch.isfinite(norm):
            return False
        self.steps += 1
        rate = self.rate * factor
        for shape, indices in self.matrices.items():
            nesterov = []
            for i in indices:
                self.first[i].lerp_(gradients[i], 0.05)
                nesterov.append(gradients[i].lerp(self.first[i], 0.95))
            for i, update in zip(indices, orthogonal(torch.stack(nesterov))):
                self.master[i].mul_(1 - rate * 0.01).add_(update, alpha=-rate * max(1, shape[0] / shape[1]) ** 0.5)
        for i in self.rest:
            self.first[i].lerp_(gradients[i], 0.1)
            self.second[i].lerp_(gradients[i].square(), 0.02)
            mean = self.first[i] / (1 - 0.9**self.steps)
            deviation = (self.second[i] / (1 - 0.98**self.steps)).sqrt() + 1e-8
            self.master[i].addcdiv_(mean, deviation, value=-0.15 * rate)
        for (_, p), w in zip(self.parameters, self.master):
            p.copy_(w)
        return True


def orthogonal(stack):
    """Five Newton-Schulz iterations towards the nearest semi-orthogonal matrix of each of [n, rows, columns]."""
    x = stack.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x.transpose(1, 2) if tall else x).float()
