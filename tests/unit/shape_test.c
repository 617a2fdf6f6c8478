/* Bandwidth: words of rates, what the kernel is told, and how two wishes become one. */
#include "netsetup/model.h"
#include "netsetup/shape.h"
#include "specs/base/arena.h"
#include "specs/json.h"
#include "tests/unit/test.h"

static const struct {
        const char *word;
        uint64_t rate; /* 0: refused */
        const char *words;
} rates[] = {
        { "10mbit", 10000000, "10mbit" },
        { "1gbit", 1000000000, "1gbit" },
        { "1500mbit", 1500000000, "1500mbit" },
        { "8kbit", 8000, "8kbit" },
        { "8000bit", 8000, "8kbit" },
        { "8001bit", 8001, "8001bit" },
        { "1tbit", 1000000000000, "1tbit" },
        { "1000000000000bit", 1000000000000, "1tbit" },
        { "1000000000001bit", 0, "not in 8kbit..1tbit" },
        { "7999bit", 0, "not in 8kbit..1tbit" },
        { "7kbit", 0, "not in 8kbit..1tbit" },
        { "2tbit", 0, "not in 8kbit..1tbit" },
        { "0mbit", 0, "not in 8kbit..1tbit" },
        { "18446744073709551615tbit", 0, "not in 8kbit..1tbit" },
        { "18446744073709551616bit", 0, "not in 8kbit..1tbit" },
        { "99999999999999999999999mbit", 0, "not in 8kbit..1tbit" },
        { "", 0, "not a number with" },
        { "10", 0, "not a number with" },
        { "mbit", 0, "not a number with" },
        { "-1mbit", 0, "not a number with" },
        { "+1mbit", 0, "not a number with" },
        { " 1mbit", 0, "not a number with" },
        { "1 mbit", 0, "not a number with" },
        { "1mbit ", 0, "not a number with" },
        { "1.5mbit", 0, "not a number with" },
        { "1Mbit", 0, "not a number with" },
        { "1mbps", 0, "not a number with" },
        { "1mibit", 0, "not a number with" },
        { "0x10mbit", 0, "not a number with" },
};

static void test_rates(void) {
        for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
                uint64_t rate = 0;
                const char *why = shape_parse_rate(rates[i].word, &rate);
                CHECK_ROW(rate == rates[i].rate && !why == (rates[i].rate != 0), rates[i].word);
                if (why)
                        CHECK_ROW(strstr(why, rates[i].words) != NULL, rates[i].word);
                else
                        CHECK_STR(shape_rate_words(rate), rates[i].words);
        }
        uint64_t burst = 0;
        CHECK(!shape_parse_burst("1bit", &burst) && burst == 1);
        CHECK(shape_parse_burst("0bit", &burst) != NULL && burst == 1);
        CHECK_STR(shape_rate_words(0), "none");
}

/* Rates and bursts in bits, what comes of it in bytes, ticks of 64 ns and microseconds. */
static const struct {
        uint64_t rate, burst;
        struct shape_numbers want;
} numbers[] = {
        { 10000000, 0, { 1250000, 32768, 409600, 73728, 5000 } },
        { 1000000000, 0, { 125000000, 1250000, 156250, 2500000, 5000 } },
        { 1000000, 0, { 125000, 32768, 4096000, 73728, 18168 } },
        { 8000, 0, { 1000, 32768, 512000000, 73728, 2271000 } },
        { 8000, 8000000, { 1000, 1000000, UINT32_MAX, 73728, 2271000 } },
        { 10000000, 1, { 1250000, 4096, 51200, 73728, 5000 } },
        { 10000000, UINT64_MAX, { 1250000, UINT64_MAX / 8, UINT32_MAX, 73728, 5000 } },
        { 1000000000000, 0, { 125000000000, 1250000000, 156250, 2500000000, 5000 } },
};

static void test_numbers(void) {
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                const struct shape_numbers *want = &numbers[i].want;
                const struct shape_numbers got = shape_numbers(numbers[i].rate, numbers[i].burst);
                const char *row = shape_rate_words(numbers[i].rate);
                CHECK_ROW(got.rate == want->rate && got.burst == want->burst, row);
                CHECK_ROW(got.buffer == want->buffer, row);
                CHECK_ROW(got.queue == want->queue && got.target == want->target, row);
        }
}

static struct net_bandwidth bandwidth(const char *text) {
        struct net_bandwidth ret = { 0 };
        CHECK_ROW(json_read(text, strlen(text), &net_bandwidth_type, NULL, &ret) == 0, text);
        return ret;
}

static const struct {
        const char *base, *over, *want;
} merged[] = {
        { "{}", "{}", "{}" },
        { "{\"ingressRate\":9000}", "{}", "{\"ingressRate\":9000}" },
        { "{}", "{\"ingressRate\":9000}", "{\"ingressRate\":9000}" },
        { "{\"ingressRate\":9000,\"egressRate\":8000}", "{\"ingressRate\":10000}",
          "{\"ingressRate\":10000,\"egressRate\":8000}" },
        { "{\"ingressRate\":9000,\"ingressBurst\":5}", "{\"ingressRate\":10000}", "{\"ingressRate\":10000}" },
        { "{\"ingressRate\":9000,\"ingressBurst\":5}", "{\"ingressBurst\":6}",
          "{\"ingressRate\":9000,\"ingressBurst\":6}" },
        { "{\"ingressRate\":9000,\"ingressBurst\":5}", "{\"ingressBurst\":0}", "{\"ingressRate\":9000}" },
        { "{\"egressRate\":9000,\"egressBurst\":5}", "{\"egressRate\":0}", "{}" },
        { "{\"egressRate\":9000}", "{\"egressRate\":0,\"egressBurst\":0}", "{}" },
};

static void test_merge(void) {
        for (size_t i = 0; i < sizeof(merged) / sizeof(merged[0]); i++) {
                struct net_bandwidth base = bandwidth(merged[i].base), over = bandwidth(merged[i].over);
                struct net_bandwidth now = shape_merge(&base, &over);
                CHECK_STR(json_write(&now, &net_bandwidth_type, false), merged[i].want);
        }
}

static void test_check(void) {
        struct net_bandwidth some = bandwidth("{}");
        CHECK(shape_check(&some) == 0 && !shape_words(&some));
        some = bandwidth("{\"ingressRate\":10000000,\"egressRate\":5000000,\"egressBurst\":1}");
        CHECK(shape_check(&some) == 0);
        CHECK_STR(shape_words(&some), "10mbit in, 5mbit out");
        some = bandwidth("{\"egressRate\":5000000}");
        CHECK_STR(shape_words(&some), "5mbit out");
        some = bandwidth("{\"ingressRate\":5000000}");
        CHECK_STR(shape_words(&some), "5mbit in");
        some = bandwidth("{\"ingressRate\":10000000,\"egressBurst\":1}");
        CHECK(shape_check(&some) < 0 && strstr(err_message(), "egress: a burst without a rate"));
        some = bandwidth("{\"ingressRate\":7999}");
        CHECK(shape_check(&some) < 0 && strstr(err_message(), "ingress 7999bit: not in 8kbit..1tbit"));
        some = bandwidth("{\"egressRate\":18446744073709551615}");
        CHECK(shape_check(&some) < 0 && strstr(err_message(), "egress 18446744073709551615bit: not in 8kbit..1tbit"));
        err_clear();
}

static void test_names(void) {
        CHECK_STR(shape_device("rlabcdefghijklm"), "riabcdefghijklm");
        CHECK_STR(shape_link("riabcdefghijklm"), "rlabcdefghijklm");
}

int main(void) {
        test_rates();
        test_numbers();
        test_merge();
        test_check();
        test_names();
        return test_done();
}
