#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Every key of the table stands in the example and in the manual page, with its right default and
# range, in its right place; and neither names a key that is none. Both pages are well-formed.
use strict;
use warnings;
use FindBin;
use Test::More;

my $top = "$FindBin::Bin/..";

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!";
    local $/;
    return <$file>;
}

# A row of the table, its arguments split at commas outside quotes.
sub row {
    my ($type, $arguments) = @_;
    my @fields = $arguments =~ /\s*("(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*|'.'|[^,]+)\s*(?:,|\z)/g;
    my ($name, $scope, undef, $default, $least, $most) = @fields;
    my %row = (name => $name, type => $type, scope => $scope);
    $row{default} =
          $default eq 'NULL' ? undef
        : $type eq 'FLAG'    ? ($default eq 'true' ? 'yes' : 'no')
        :                      $default =~ s/^"(.*)"$/$1/r;
    @row{qw(least most)} = ($least, $most) if $type eq 'NUMBER';
    return \%row;
}

my $table = slurp("$top/src/config/conf_keys.def") =~ s{/\*.*?\*/}{}gsr;
my @rows  = map { row(@$_) } map { [/^(\w+)\((.*)\)\z/s] } $table =~ /^CONF_((?:FLAG|NUMBER|TEXT|CHOICE)\(.*?\))$/gms;
my %key   = map { $_->{name} => $_ } @rows;
cmp_ok(scalar @rows, '>', 25, 'the table is read');

# max_per_ip hangs on max_workers and sessions_per_worker.
my %default_in_words = (max_per_ip => 'half of all places');

# ---- the example: a paragraph a key, its comment above it ----

my %example;
my $section = '';
for my $paragraph (split /\n\s*\n/, slurp("$top/conf/pop3.proxy.conf")) {
    my @comment;
    for my $line (split /\n/, $paragraph) {
        $section = $1 if $line =~ /^\[(\w+)/;
        push @comment, $1 if $line =~ /^# ?(.*)/;
        push @{ $example{$1} }, { value => $2, comment => "@comment", section => $section }
            if $line =~ /^;?(\w+) = (.+)/;
    }
}

for my $row (@rows) {
    my $name = $row->{name};
    my $entry = $example{$name}[0];
    ok($entry, "the example has $name") or next;
    my $comment = $entry->{comment};
    if (defined $row->{default} && !$default_in_words{$name}) {
        ok($entry->{value} eq $row->{default} || $comment =~ /\b$name = \Q$row->{default}\E is the default/,
            "the example's $name has the default $row->{default}");
    }
    elsif ($name ne 'listen' && $name ne 'server') {
        my $words = $default_in_words{$name} // '';
        like($comment, qr/\bNot set: \Q$words\E/, "the example says what not setting $name means");
    }
    like($comment, qr/(?<!\d)$row->{least} to $row->{most}\b/, "the example has the range of $name") if defined $row->{least};
    is($entry->{section}, 'proxy', "$name stands in [proxy]") if $row->{scope} eq 'PROXY';
}
is_deeply([ grep { !$key{$_} } sort keys %example ], [], 'the example has no other key');

# ---- the manual page: an item a key, its last line the default ----

my $page = slurp("$top/man/pop3.proxy.conf.5");
my %item;
for my $part (split /^\.Ss /m, $page) {
    my ($title) = $part =~ /\A(.*)/;
    for my $text ($part =~ /^(\.It Ic \w+ = .*?)(?=^\.It |^\.El)/gms) {
        my ($name) = $text =~ /\A\.It Ic (\w+)/;
        push @{ $item{$name} }, { title => $title, last => (split /\n/, $text)[-1] };
    }
}

for my $row (@rows) {
    my $name  = $row->{name};
    my @items = @{ $item{$name} // [] };
    is(scalar @items, 1, "the manual has one item for $name") or next;
    my $default = $default_in_words{$name} // $row->{default};
    my $wanted  = defined $default ? "Default $default" : 'Not set by default';
    $wanted .= ", range $row->{least} to $row->{most}" if defined $row->{least};
    is($items[0]{last}, "$wanted.", "the manual's default of $name");
    my $is_whole = $items[0]{title} eq 'The whole server';
    is($is_whole ? 'PROXY' : 'an instance\'s', $row->{scope} eq 'PROXY' ? 'PROXY' : 'an instance\'s',
        "the manual's place of $name");
}
is_deeply([ grep { !$key{$_} } sort keys %item ], [], 'the manual has no other key');

# ---- both pages ----

# Of style all but which other pages are installed here.
SKIP: {
    skip 'mandoc is not installed', 2 if system('command -v mandoc >/dev/null 2>&1') != 0;
    for my $page ('pop3.proxy.1', 'pop3.proxy.conf.5') {
        my @remarks = grep { !/: (?:referenced manual not found|outdated mandoc\.db)/ } qx(mandoc -T lint "$top/man/$page" 2>&1);
        is_deeply(\@remarks, [], "$page is well-formed");
    }
}

# What is counted: its heading in the status and its metric.
my $pop3_proxy_1 = slurp("$top/man/pop3.proxy.1");
for my $total (slurp("$top/src/pool/totals.def") =~ /^TOTAL\((.*)\)$/mg) {
    my (undef, undef, $metric, $heading) = split /,\s*/, $total =~ s/"//gr;
    like($pop3_proxy_1, qr/^\.It Li .*\b$heading\b/m, "the manual has the heading $heading");
    like($pop3_proxy_1, qr/^\.Li .*\b${metric}_total\b/m, "the manual has the metric of it");
}

done_testing;
