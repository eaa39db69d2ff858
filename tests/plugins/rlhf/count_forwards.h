/* Counts what a program's tapes run forward: link it with -Wl,--wrap=eng_tape_forward and include
 * this in its one .c. One thread. */
#ifndef TESTS_PLUGINS_RLHF_COUNT_FORWARDS_H
#define TESTS_PLUGINS_RLHF_COUNT_FORWARDS_H

#include "train/train.h"

#include <stdint.h>

static struct {
    uint64_t packs, sequences;
} forwards;

void __real_eng_tape_forward(eng_tape *tape, const eng_net *net, const eng_pack *pack,
                             const eng_dropout *dropout);
void __wrap_eng_tape_forward(eng_tape *tape, const eng_net *net, const eng_pack *pack,
                             const eng_dropout *dropout);
void __wrap_eng_tape_forward(eng_tape *tape, const eng_net *net, const eng_pack *pack,
                             const eng_dropout *dropout)
{
    forwards.packs++;
    forwards.sequences += pack->n_seqs;
    __real_eng_tape_forward(tape, net, pack, dropout);
}

#endif
