#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# The structure of the sources: folders are layers, includes never go up, only src/tls includes OpenSSL,
# and the object files of the archive do not call each other in a circle. Each rule is first tried on a
# small tree that breaks it. And the makefile lists every test file of t/.

use strict;
use warnings;
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Pop3Test::Layers qw(@LAYERS folders wrong_includes parse_nm symbols circles);

my $top     = "$FindBin::Bin/..";
my $archive = dirname($ENV{POP3_PROXY} || 'src/pop3.proxy') . '/libpop3proxy.a';

# ---- the checker finds what it is for ----

# Makes a tree from name => text. Returns its directory.
sub tree {
    my (%text) = @_;
    my $directory = File::Temp->newdir('p3XXXXXX', TMPDIR => 1);
    for my $path (keys %text) {
        make_path(dirname("$directory/$path"));
        open my $file, '>', "$directory/$path" or die "$path: $!\n";
        print {$file} $text{$path};
        close $file or die "$path: $!\n";
    }
    return $directory;
}

my %clean = (
    'main.c'           => qq(#include "master/master.h"\n),
    'base/log.c'       => qq(#include "base/log.h"\n#include "log.h"\n#include <stdio.h>\n),
    'tls/stream_tls.c' => qq(#include <openssl/ssl.h>\n#include "io/stream.h"\n),
    'pop3/reply.c'     => qq(#include "base/log.h"\n),
);
my %planted = (
    'an include that goes up'             => [ 'base/log.c',        qq(#include "pool/pool.h"\n) ],
    'an include that goes up by a path'   => [ 'base/log.c',        qq( # include "../pool/pool.h"\n) ],
    'an include that goes up, in src/pop3' => [ 'pop3/reply.h',     qq(#include "session/session.h"\n) ],
    'an include from an unknown folder'   => [ 'session/session.c', qq(#include "misc/misc.h"\n) ],
    'OpenSSL in src/session'              => [ 'session/session.c', qq(#include <openssl/ssl.h>\n) ],
    'OpenSSL in main.c'                   => [ 'main.c',            qq(#include <openssl/ssl.h>\n) ],
    'a folder that is not a layer'        => [ 'misc/misc.c',       qq(\n) ],
);
is_deeply([ wrong_includes(tree(%clean)) ], [], 'the checker accepts a clean tree');
for my $name (sort keys %planted) {
    my ($path, $text) = @{ $planted{$name} };
    my @wrong = wrong_includes(tree(%clean, $path => $text));
    is(scalar @wrong, 1, "the checker finds $name") or diag(explain(\@wrong));
}

# An archive as nm describes it, of the objects a, b and c: a calls b and c, b calls c, and c calls $callee.
sub archive {
    my ($callee) = @_;
    return parse_nm(map { "$_\n" } 'lib.a[a.o]:', 'a_data D 0 4', 'a_run T 0 10', 'b_run U', 'c_run U', 'own t 0 4',
        'lib.a[libx_a-b.o]:', 'b_run T 0 10', 'c_run U', 'own t 0 4', 'puts U',
        'lib.a[c.o]:', 'c_run T 0 10', "$callee U");
}

my %circle = (puts => '', b_run => 'b c', a_run => 'a b c', a_data => 'a b c', own => '');
for my $callee (sort keys %circle) {
    is(join(', ', map { "@{ $_->{objects} }" } circles(archive($callee))), $circle{$callee},
        "the checker finds " . ($circle{$callee} ? "the circle that $callee closes" : "no circle where c needs $callee"));
}

# ---- the sources ----

note("folder: $_") for folders("$top/src");
is_deeply([ sort(folders("$top/src")) ], [ sort @LAYERS ], 'the folders of src are the layers');
is(join("\n", wrong_includes("$top/src")), '', 'no include goes up, and only src/tls includes OpenSSL');

# ---- the archive ----

my @objects = symbols($archive);
note('objects: ', join ' ', sort map { $_->{name} } @objects);
cmp_ok(scalar @objects, '>', 60, 'the objects of the archive are read');
my @circles = circles(@objects);
is(join("\n", map { "@{ $_->{objects} }" } @circles), '', 'no objects call each other in a circle')
    or diag(join "\n", map { @{ $_->{links} } } @circles);

# ---- the makefile ----

open my $makefile, '<', "$top/Makefile.am" or die "Makefile.am: $!";
my $rules = do { local $/; <$makefile> };
my @forgotten = grep { index($rules, $_) < 0 } map { s{.*/t/}{t/}r } glob "$top/t/*.t";
is_deeply(\@forgotten, [], 'the makefile lists every test file');

done_testing;
