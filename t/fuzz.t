#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# Replays the corpus of every fuzz target, so that what a fuzzer once found stays mended.

use strict;
use warnings;
use FindBin;
use Test::More;

my $build = $ENV{POP3_PROXY} ? $ENV{POP3_PROXY} =~ s{/src/[^/]*$}{}r : '.';
my @targets = map { m{/fuzz_(\w+)\.c$} } glob "$FindBin::Bin/fuzz/fuzz_*.c";

cmp_ok(scalar @targets, '>', 2, 'there are fuzz targets');
for my $target (sort @targets) {
    my $corpus = "$FindBin::Bin/fuzz/corpus/$target";
    my $program = "$build/t/fuzz/fuzz_$target";
    ok(-d $corpus, "$target has a corpus");
SKIP: {
        skip "$program is not built (make check builds it)", 1 if !-x $program;
        is(system($program, $corpus), 0, "$target survives its corpus");
    }
}
done_testing;
