"""Claim: where the processor computes in bfloat16, `precision = auto` measures it and trains several times faster.

    python bench/precision.py

Full training steps (forward, backward, AdamW) of a ResNet-34 on random pictures, with and without `channels_last`: the
four combinations in turn, three rounds; prints the median.
"""
import os
import statistics
import time

import torch
import torchvision

from clothing_classifier.training.callbacks import bf16_helps

BATCH, SIZE, STEPS, ROUNDS = 32, 160, 3, 3


def images_per_second(bf16, channels_last):
    "Pictures trained on in a second"
    net = torchvision.models.resnet34()
    x, y = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(0, 6, (BATCH,))
    if channels_last: net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    opt = torch.optim.AdamW(net.parameters())

    def step():
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=bf16): out = net(x)
        torch.nn.functional.cross_entropy(out.float(), y).backward()
        opt.step()
        opt.zero_grad()
    step()
    t = time.perf_counter()
    for _ in range(STEPS): step()
    return BATCH*STEPS/(time.perf_counter()-t)


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    kinds = [(False, False), (False, True), (True, False), (True, True)]
    got = {k: [] for k in kinds}
    for _ in range(ROUNDS):
        for k in kinds: got[k].append(images_per_second(*k))
    base = statistics.median(got[False, False])
    helps = bf16_helps(torch.device('cpu'))
    print(f'{torch.get_num_threads()} threads, batch {BATCH}, {SIZE} px; auto takes bfloat16: {helps}')
    print('precision  channels_last  images/s  ratio')
    for k in kinds:
        m = statistics.median(got[k])
        print(f'{"bf16" if k[0] else "fp32":9}  {"yes" if k[1] else "no":13}  {m:8.1f}  {m/base:5.1f}')


if __name__ == '__main__': main()
