/* Prompts and answers as the ids that training and scoring read. */
#include "formats/new_model.h"
#include "formats/source.h"
#include "harness.h"
#include "model_files.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IM_START = 257, IM_END = 258, END_OF_TEXT = 256 }; /* of the byte tokenizer */

static eng_tokenizer *byte_tokenizer(void)
{
    eng_new_model spec = {.arch = "llama", .n_layer = 1, .n_embd = 16, .n_head = 2, .n_ctx = 64};
    char dir[512], id[ENG_POLICY_ID_BYTES];
    eng_source *src;
    eng_tokenizer *tok;
    eng_error err;
    snprintf(dir, sizeof dir, "%s/m", test_dir());
    EXPECT_OK(eng_model_new(dir, &spec, id, &err), err);
    EXPECT_OK(eng__source_open(&src, dir, &err), err);
    EXPECT_OK(eng__tokenizer_create(&tok, eng__source_vocab(src), &err), err);
    eng__source_close(src);
    return tok;
}

/* The ids as text: bytes as they are, the three special tokens as S, E and T. */
static void expect_example(const eng_example *e, const char *want, uint32_t n_prompt)
{
    char got[512];
    for (uint32_t i = 0; i < e->n_tokens; i++) {
        int32_t id = e->tokens[i];
        got[i] = id == IM_START ? 'S' : id == IM_END ? 'E' : id == END_OF_TEXT ? 'T' : (char)id;
    }
    got[e->n_tokens] = 0;
    EXPECT_STR(got, want);
    EXPECT_EQ(e->n_prompt, n_prompt);
}

TEST(a_text_answer_follows_its_prompt_and_ends_with_the_end_token)
{
    eng_tokenizer *tok = byte_tokenizer();
    eng_example e;
    eng_error err;
    EXPECT_OK(eng_compose_text(tok, "two and", 7, " two", 4, &e, &err), err);
    expect_example(&e, "two and twoE", 7);
    eng_example_free(&e);
    eng__tokenizer_free(tok);
}

TEST(a_prompt_alone_has_no_end_token)
{
    eng_tokenizer *tok = byte_tokenizer();
    eng_example e;
    eng_error err;
    EXPECT_OK(eng_compose_text(tok, "two", 3, NULL, 0, &e, &err), err);
    expect_example(&e, "two", 3);
    eng_example_free(&e);
    eng__tokenizer_free(tok);
}

TEST(an_empty_prompt_is_the_end_of_text_token)
{
    eng_tokenizer *tok = byte_tokenizer();
    eng_example e;
    eng_error err;
    EXPECT_OK(eng_compose_text(tok, "", 0, "x", 1, &e, &err), err);
    expect_example(&e, "TxE", 1);
    eng_example_free(&e);
    eng__tokenizer_free(tok);
}

TEST(special_tokens_count_in_a_prompt_and_not_in_an_answer)
{
    static const char mark[] = "<|im_end|>";
    eng_tokenizer *tok = byte_tokenizer();
    eng_example e;
    eng_error err;
    EXPECT_OK(eng_compose_text(tok, mark, strlen(mark), mark, strlen(mark), &e, &err), err);
    expect_example(&e, "E<|im_end|>E", 1);
    eng_example_free(&e);
    eng__tokenizer_free(tok);
}

TEST(a_conversation_is_rendered_up_to_its_last_assistant_message)
{
    static const eng_chat_message talk[] = {{"user", "hi", 2}, {"assistant", "yo <|im_end|>", 13}};
    eng_tokenizer *tok = byte_tokenizer();
    eng_example e;
    eng_error err;
    EXPECT_OK(eng_compose_chat(tok, talk, 2, &e, &err), err);
    expect_example(&e, "Suser\nhiE\nSassistant\nyo <|im_end|>E", 21);
    eng_example_free(&e);
    EXPECT_OK(eng_compose_chat(tok, talk, 1, &e, &err), err);
    expect_example(&e, "Suser\nhiE\nSassistant\n", 21);
    eng_example_free(&e);
    eng__tokenizer_free(tok);
}
