# SPDX-License-Identifier: BSD-2-Clause
#
# Mutations of dialogues. The same seed (POP3_TEST_SEED, default 1) gives the same
# mutations, so that a failure can be repeated.

package Pop3Test::Mutate;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(seed mutate pieces any_of);

our @TOKENS = ("\r\n", "\n", "\r", "\n\r", "\r\r\n", '.', "\r\n.\r\n", ".\r\n", "\n.\n", "\r\n.\n", "\0", "\e[2J", "\x7f", "\xff\xfe",
    ' ', '  ', "\t", '+OK', "+OK\r\n", "-ERR x\r\n", "+OK 31337 1\r\n", '+', '-', "QUIT\r\n", "DELE 1\r\n", "RETR 1\r\n",
    "EXPN x\r\n", "USER evil\r\n", "PASS evil\r\n", "STLS\r\n", "AUTH\r\n", '*', '%s%n', '99999999999999999999', '0', '-1',
    'x' x 600, 'y' x 9000, "z\r\n" x 40);

# Call once at the start. Returns the seed, which repeats the run.
sub seed {
    my $seed = $ENV{POP3_TEST_SEED} || 1;
    srand $seed;
    return $seed;
}

sub any_of { return $_[ int rand @_ ] }

# $count random changes.
sub mutate {
    my ($octets, $count) = @_;
    for (1 .. $count) {
        my $at = int rand 1 + length $octets;
        my $width = 1 + int rand 12;
        my $kind = int rand 8;
        if    ($kind <= 2) { substr $octets, $at, 0, any_of(@TOKENS) }
        elsif ($kind == 3) { substr $octets, $at, $width, '' if $at < length $octets }
        elsif ($kind == 4) { substr $octets, $at, 0, substr $octets, any_of(0, int $at / 2), $width }
        elsif ($kind == 5) { substr $octets, $at, 1, chr int rand 256 if $at < length $octets }
        elsif ($kind == 6) { $octets = substr $octets, 0, $at if rand() < 0.3 }
        else               { substr $octets, $at, $width, uc substr $octets, $at, $width if $at < length $octets }
    }
    return $octets;
}

# Cuts octets into at most eight pieces.
sub pieces {
    my ($octets) = @_;
    my @cuts = sort { $a <=> $b } map { int rand 1 + length $octets } 1 .. int rand 8;
    my ($at, @pieces) = (0);
    for my $cut (@cuts, length $octets) {
        push @pieces, substr $octets, $at, $cut - $at if $cut > $at;
        $at = $cut;
    }
    return @pieces;
}

1;
