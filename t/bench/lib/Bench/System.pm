# SPDX-License-Identifier: BSD-2-Clause
#
# Small functions that all others need: the clock, whole files, programs.
package Bench::System;

use strict;
use warnings;
use Exporter qw(import);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our @EXPORT_OK = qw(now pause slurp write_file in_path);

sub now { return clock_gettime(CLOCK_MONOTONIC) }

sub pause { select undef, undef, undef, $_[0] }

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or return undef;
    local $/;
    return scalar <$file>;
}

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or return 0;
    my $is_well = print {$file} $text;
    return close($file) && $is_well;      # the kernel may report an error at close()
}

sub in_path {
    my ($program) = @_;
    for my $dir (split(/:/, $ENV{PATH} || ''), qw(/usr/sbin /sbin /usr/local/sbin)) {
        return "$dir/$program" if -x "$dir/$program" && !-d _;
    }
    return undef;
}

1;
