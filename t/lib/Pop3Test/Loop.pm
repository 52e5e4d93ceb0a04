# SPDX-License-Identifier: BSD-2-Clause
#
# The only function in which a test sleeps: a select() loop over clients, fake servers, logs
# and children. Whatever a test waits for, all of them go on, so that nothing blocks because a
# pipe or a log socket is full. Every wait has a limit.

package Pop3Test::Loop;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes ();

our @EXPORT_OK = qw(watch_read watch_write unwatch wait_until pause now each_turn);

# Seconds for any single wait. A test that expects something at once sets the product's own limits
# far above this one, so that it fails if a limit of the product was what ended the wait.
our $LIMIT = $ENV{POP3_TEST_LIMIT} || 15;

my %reader;     # file number => callback
my %writer;
my @each_turn;  # called after every select(), e.g. to reap children

use constant SLICE => 0.02;     # how late the end of a child may be noticed

$SIG{PIPE} = 'IGNORE';          # a failed write is a result, not the end of the test

sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

sub watch_read  { my ($fh, $callback) = @_; $reader{fileno $fh} = $callback; return }
sub watch_write { my ($fh, $callback) = @_; $writer{fileno $fh} = $callback; return }

sub unwatch {
    my ($fh, $what) = @_;
    my $number = fileno $fh;
    return if !defined $number;
    delete $reader{$number} if !$what || $what eq 'read';
    delete $writer{$number} if !$what || $what eq 'write';
    return;
}

sub each_turn { push @each_turn, @_; return }

# One select() of at most $seconds.
sub turn {
    my ($seconds) = @_;
    my ($r, $w) = ('', '');
    vec($r, $_, 1) = 1 for keys %reader;
    vec($w, $_, 1) = 1 for keys %writer;
    my $ready = select $r, $w, undef, $seconds;
    $_->() for @each_turn;
    return if !defined $ready || $ready <= 0;
    for my $number (grep { vec $r, $_, 1 } keys %reader) {
        $reader{$number}->() if $reader{$number};
    }
    for my $number (grep { vec $w, $_, 1 } keys %writer) {
        $writer{$number}->() if $writer{$number};
    }
    return;
}

# Waits until $condition returns true and returns that value; undef when
# $seconds ($LIMIT) passed first.
sub wait_until {
    my ($condition, $seconds) = @_;
    my $end = now() + ($seconds // $LIMIT);
    while (1) {
        my $value = $condition->();
        return $value if $value;
        my $left = $end - now();
        return if $left <= 0;
        turn($left < SLICE ? $left : SLICE);
    }
}

# Lets everything else go on for $seconds. Only to see that something does *not* happen, or to make
# a peer slow; never to wait for readiness.
sub pause { my ($seconds) = @_; wait_until(sub { 0 }, $seconds); return }

1;
