/* Agreement between labelers, and how tasks are shared out. Figures of small cases, by hand.
 */
#include "harness.h"

#include "human/agreement_report.h"
#include "human/toxicity_report.h"
#include "human/tasks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* [[c],[a,d],[b]] and [[a],[c],[d],[b]] as ranks of a, b, c, d. */
static const uint32_t one[] = {1, 2, 0, 1}, two[] = {0, 3, 1, 2};

TEST(agreement_has_the_golden_values)
{
    const agreement a = agreement_of(one, two, 4);
    EXPECT_NEAR(agreement_value(a.strict), 0.8, 1e-12);
    EXPECT_NEAR(agreement_value(a.lenient), 0.75, 1e-12);
    EXPECT_EQ((int)a.strict.pairs, 5);
    EXPECT_EQ((int)a.lenient.pairs, 6);
}

TEST(agreement_is_symmetric_and_whole_with_oneself)
{
    const agreement ab = agreement_of(one, two, 4), ba = agreement_of(two, one, 4),
                    aa = agreement_of(one, one, 4);
    EXPECT_NEAR(ab.strict.alike, ba.strict.alike, 0);
    EXPECT_NEAR(ab.lenient.alike, ba.lenient.alike, 0);
    EXPECT_NEAR(agreement_value(aa.strict), 1, 0);
    EXPECT_NEAR(agreement_value(aa.lenient), 1, 0); /* a tie on both sides is agreement */
}

TEST(all_tied_has_no_strict_pairs)
{
    static const uint32_t tied[] = {0, 0, 0};
    const agreement a = agreement_of(tied, tied, 3);
    EXPECT(isnan(agreement_value(a.strict)));
    EXPECT_NEAR(agreement_value(a.lenient), 1, 0);
}

TEST(an_interval_holds_the_value_and_is_the_same_for_a_seed)
{
    agreement_sum prompts[60], all = {0};
    for (int i = 0; i < 60; i++) {
        prompts[i] = (agreement_sum){i % 4 ? 5 : 2, 6};
        agreement_add(&all, prompts[i]);
    }
    const agreement_interval a = agreement_bootstrap(prompts, 60, 7),
                             b = agreement_bootstrap(prompts, 60, 7);
    const double v = agreement_value(all);
    EXPECT(a.low < v && v < a.high);
    EXPECT_NEAR(a.low, b.low, 0);
    EXPECT_NEAR(a.high, b.high, 0);
    /* By the formula for a mean: 1.96 * sd / sqrt(n), sd of 5/6 and 2/6 at 3:1. */
    EXPECT_NEAR((a.high - a.low) / 2, 1.96 * 0.5 * sqrt(0.1875) / sqrt(60), 0.012);
    EXPECT(isnan(agreement_bootstrap(NULL, 0, 7).low));
}

static report_answer answer(const char *labeler, const char *role, bool reference,
                            const uint32_t *ranks, const uint32_t *yes, const uint32_t *no)
{
    return (report_answer){.labeler = labeler,
                           .role = role,
                           .reference = reference,
                           .at = 1700000000, /* Tuesday, 14 November 2023 */
                           .ranks = ranks,
                           .yes = yes,
                           .no = no};
}

TEST(a_report_tells_colleagues_from_references)
{
    static const uint32_t none[4], yes[] = {1, 1, 0, 0}, no[] = {0, 0, 1, 1},
                                   ref_no[] = {0, 1, 1, 1}, ref_yes[] = {1, 0, 0, 0};
    agreement_report *r = agreement_report_create();
    const report_answer plain[] = {answer("lena", "trainer", false, one, none, none),
                                   answer("max", "trainer", false, two, none, none)};
    const report_answer gold[] = {answer("boss", "researcher", true, one, ref_yes, ref_no),
                                  answer("lena", "trainer", false, one, yes, no)};
    size_t n;
    EXPECT(agreement_report_add(r, plain, 2, 4));
    EXPECT(agreement_report_add(r, gold, 2, 4));
    agreement_report_finish(r, 1);
    EXPECT_NEAR(agreement_value(agreement_report_overall(r)->sum.strict), 0.8, 1e-12);
    EXPECT_EQ(agreement_report_overall(r)->tasks, 1);
    const report_labeler *rows = agreement_report_labelers(r, &n);
    EXPECT_EQ(n, 2); /* the researcher is the measure */
    EXPECT_STR(rows[0].name, "lena");
    EXPECT_EQ(rows[0].labels, 2);
    EXPECT_NEAR(agreement_value(rows[0].others.sum.strict), 0.8, 1e-12);
    EXPECT_NEAR(agreement_value(rows[0].gold.sum.strict), 1, 0);
    EXPECT_NEAR(agreement_value(rows[0].flags), 0.75, 1e-12); /* three of four outputs */
    EXPECT_STR(rows[1].name, "max");
    EXPECT(isnan(agreement_value(rows[1].gold.sum.strict)));
    const report_week *weeks = agreement_report_weeks(r, &n);
    EXPECT_EQ(n, 1);
    EXPECT_EQ(weeks[0].begins_at, 1699833600); /* Monday, 13 November 2023, 0:00 UTC */
    agreement_report_free(r);
}

/* ---- figures ---- */

TEST(likert_has_the_golden_values)
{
    static const double figures[] = {5, 6, 7, 4};
    likert l = {0};
    EXPECT(isnan(likert_mean(&l)));
    likert_add(&l, figures[0]);
    EXPECT(isnan(likert_half_width(&l)));
    for (int i = 1; i < 4; i++)
        likert_add(&l, figures[i]);
    EXPECT_NEAR(likert_mean(&l), 5.5, 1e-12);
    EXPECT_NEAR(likert_half_width(&l), 1.2652, 5e-5); /* 1.96 sqrt(5/3) / 2 */
}

TEST(toxicity_is_summed_by_policy)
{
    toxicity_report r = {0};
    const toxicity_figures mild = {1, -1, 6}, severe = {7, 1, 2}, middling = {3, 0, 4};
    EXPECT(toxicity_report_add(&r, "pol_b", &severe));
    EXPECT(toxicity_report_add(&r, "pol_a", &mild));
    EXPECT(toxicity_report_add(&r, "pol_c", &mild));
    EXPECT(toxicity_report_add(&r, "pol_a", &middling));
    EXPECT_EQ(r.n, 3);
    EXPECT_STR(r.policies[0].name, "pol_a");
    EXPECT_STR(r.policies[1].name, "pol_b");
    EXPECT_STR(r.policies[2].name, "pol_c");
    EXPECT_EQ(r.policies[0].toxicity.n, 2);
    EXPECT_NEAR(likert_mean(&r.policies[0].toxicity), 2, 0);
    EXPECT_NEAR(likert_mean(&r.policies[0].relative_toxicity), -0.5, 0);
    EXPECT_NEAR(likert_mean(&r.policies[0].continuity), 5, 0);
    EXPECT_NEAR(likert_mean(&r.policies[1].toxicity), 7, 0);
    toxicity_report_free(&r);
}

/* ---- sharing out ---- */

TEST(an_order_is_a_permutation_that_differs_between_labelers_alone)
{
    int differs = 0;
    for (uint32_t n = 1; n <= 9; n++) {
        uint32_t a[9], again[9], other[9], seen = 0;
        task_order("task-1", "lena", a, n);
        task_order("task-1", "lena", again, n);
        task_order("task-1", "max", other, n);
        EXPECT_MEM(a, again, n * sizeof *a);
        differs += memcmp(a, other, n * sizeof *a) != 0;
        for (uint32_t i = 0; i < n; i++)
            seen |= 1u << a[i];
        EXPECT_EQ(seen, (1u << n) - 1);
    }
    EXPECT(differs >= 5);
}

TEST(every_output_stands_first_about_equally_often)
{
    unsigned first[4] = {0};
    for (int i = 0; i < 4000; i++) {
        char task[32];
        uint32_t order[4];
        snprintf(task, sizeof task, "task-%d", i);
        task_order(task, "lena", order, 4);
        first[order[0]]++;
    }
    for (int i = 0; i < 4; i++) /* 1000 +- 5 standard deviations */
        EXPECT(first[i] > 860 && first[i] < 1140);
}

TEST(a_share_of_the_tasks_gets_more_labelers)
{
    int three = 0;
    for (uint64_t i = 0; i < 100; i++)
        three += task_overlap(i, 1, 0.1, 3) == 3;
    EXPECT_EQ(three, 10);
    EXPECT_EQ(task_overlap(5, 2, 0, 3), 2);
    EXPECT_EQ(task_overlap(5, 2, 1, 3), 3);
}

TEST(policies_share_the_outputs_evenly)
{
    EXPECT_EQ(task_share(4, 1, 0), 4);
    EXPECT_EQ(task_share(5, 2, 0), 3);
    EXPECT_EQ(task_share(5, 2, 1), 2);
    EXPECT_EQ(task_share(9, 3, 2), 3);
}
