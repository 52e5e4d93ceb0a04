#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# The documents name what there is: every link of a README leads to a file, every file and function
# that HACKING names exists, and the benchmark's tables and chart and the picture of a session are what
# their sources give. The README is short.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

my $top       = abs_path("$FindBin::Bin/..");
my $directory = tempdir('docXXXXXX', TMPDIR => 1, CLEANUP => 1);

sub text_of {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$file>;
}

sub write_to {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return $path;
}

# ---- links ----

# The targets of links in a Markdown text that name no file beside `folder`.
sub dead_links {
    my ($text, $folder) = @_;
    return grep { !m{^https?://} && !-e "$folder/$_" } $text =~ /\]\(([^)#\s]+)[^)]*\)/g;
}

is_deeply([ dead_links('[a](t) [b](no-such-file)', $top) ], ['no-such-file'], 'a dead link is noticed');
for my $path (grep { -e "$top/$_" } qw(README.md SECURITY.md t/README.md t/bench/README.md)) {
    is_deeply([ dead_links(text_of("$top/$path"), dirname("$top/$path")) ], [], "$path: every link leads to a file");
}
cmp_ok(scalar(split /^/, text_of("$top/README.md")), '<=', 150, 'README.md is short');

# ---- HACKING ----

my @sources = glob "$top/src/*.[ch] $top/src/*/*.[ch] $top/src/*/*.def";
my $code    = join '', map { text_of($_) } @sources;
my %base    = map { s{.*/}{}r => 1 } @sources;

# The names of files and functions in a text that the tree does not have. A stage is called NAME_run.
sub unknown_names {
    my ($text) = @_;
    my @files     = grep { !$base{ s{.*/}{}r } && !-e "$top/$_" && !-e "$top/src/$_" } $text =~ m{\b([\w/.-]+\.(?:[ch]|def|t|conf|pm|svg|dot|txt|json|[578]))\b}g;
    my @functions = grep { $code !~ /\b$_\(/ } grep { !/^NAME_|^module_/ } $text =~ /\b([a-z]\w+_\w+)\(\)/g;
    my @stages    = grep { $code !~ /\benum outcome $_\(/ } $text =~ /^    (\w+_run) /mg;
    return (@files, @functions, @stages);
}

is_deeply([ unknown_names("src/session/nothing.c calls session_vanish()\n    sleep_run  a stage\n") ],
    [qw(src/session/nothing.c session_vanish sleep_run)], 'an unknown name is noticed');
my $hacking = text_of("$top/HACKING");
is_deeply([ unknown_names($hacking) ], [], 'HACKING names only files and functions that exist');
my @tables = map { s{^\Q$top/}{}r } glob "$top/src/*/*.def";
is_deeply([ grep { index($hacking, $_) < 0 } @tables ], [], 'HACKING names every table');
is_deeply([ grep { $hacking !~ /^    $_ /m } map { s{.*/}{}r } grep { -d } glob "$top/src/*" ], [], 'HACKING names every folder');
my ($order) = text_of("$top/src/session/session.c") =~ /\bstages\[\] = \{(.*?)\}/s;
is_deeply([ $hacking =~ /^    (\w+_run) /mg ], [ $order =~ /(\w+)/g ], 'HACKING has the stages in their order');

# ---- what is drawn and written by programs ----

my @copies = map { write_to("$directory/" . s{/}{-}gr, text_of("$top/$_")) } qw(README.md t/bench/README.md);
my @driver = ($^X, "$top/t/bench/run", '--from', "$top/doc/benchmark.json", '--readme', $copies[0], '--tables', $copies[1],
    '--chart', "$directory/chart.svg");
is(system("@driver >/dev/null"), 0, 'the driver of the benchmark writes its part');
ok(text_of($copies[0]) eq text_of("$top/README.md"), 'README.md has the small table of doc/benchmark.json');
ok(text_of($copies[1]) eq text_of("$top/t/bench/README.md"), 't/bench/README.md has its tables');
ok(text_of("$directory/chart.svg") eq text_of("$top/doc/benchmark.svg"), 'doc/benchmark.svg is its chart');
is(system("$^X $top/doc/draw $top/doc/session.txt >$directory/session.svg"), 0, 'doc/draw draws a sequence');
ok(text_of("$directory/session.svg") eq text_of("$top/doc/session.svg"), 'doc/session.svg is drawn from doc/session.txt');

done_testing;
