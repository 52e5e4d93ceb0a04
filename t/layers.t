#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# The layers of src/: a file includes only from its own folder or a lower one. And every test file
# of t/ is in the makefile's list, so that none is forgotten.
use strict;
use warnings;
use File::Find;
use FindBin;
use Test::More;

my $top = "$FindBin::Bin/..";
my @layers = qw(base io tls pop3 config helper session pool status master);
my %height = map { $layers[$_] => $_ } 0 .. $#layers;

sub includes {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!";
    return map { m{^\s*#\s*include\s+"([a-z0-9]+)/} ? $1 : () } <$file>;
}

my @sources;
find(sub { push @sources, $File::Find::name if /\.(?:c|h|def)$/ }, "$top/src");
my @wrong;
for my $path (grep { m{/src/[a-z0-9]+/} } sort @sources) {
    my ($own) = $path =~ m{/src/([a-z0-9]+)/};
    if (!exists $height{$own}) {
        push @wrong, "$path is in no layer";
        next;
    }
    push @wrong, map { "$path includes from $_/, which stands higher" }
        grep { !exists $height{$_} || $height{$_} > $height{$own} } includes($path);
}
cmp_ok(scalar @sources, '>', 30, 'the sources are there');
is_deeply(\@wrong, [], 'no file reaches up');

open my $makefile, '<', "$top/Makefile.am" or die "Makefile.am: $!";
my $rules = do { local $/; <$makefile> };
my @forgotten = grep { index($rules, $_) < 0 } map { s{.*/t/}{t/}r } glob "$top/t/*.t";
is_deeply(\@forgotten, [], 'every test is in the makefile');

done_testing;
