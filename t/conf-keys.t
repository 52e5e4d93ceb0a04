#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# Every key of conf_keys.def is in the example and in the manual page, with the right default, range
# and section, and neither names an unknown key. Both pages are well-formed.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Pop3Test::Tables qw(file_text rows conf_keys totals gauges);

my @rows = conf_keys();
my %key  = map { $_->{title} => $_ } @rows;
cmp_ok(scalar @rows, '>', 25, 'the table is read');

# These defaults depend on max_workers and sessions_per_worker, or on the instance.
my %default_in_words = (max_per_ip => 'half of all sessions', max_sessions_per_ip => 'three quarters of all sessions',
    'group in_use_wait' => 'that of the instance');

# A group may have a key of the name that one of an instance has.
sub title_of { my ($is_of_group, $name) = @_; return $is_of_group ? "group $name" : $name }

# ---- the example: one paragraph for each key, below its comment ----

my %example;
my $section = '';
for my $paragraph (split /\n\s*\n/, file_text("conf/pop3.proxy.conf")) {
    my @comment;
    for my $line (split /\n/, $paragraph) {
        $section = $1 if $line =~ /^;?\[(\w+)/;
        push @comment, $1 if $line =~ /^# ?(.*)/;
        push @{ $example{ title_of($section eq 'group', $1) } }, { value => $2, comment => "@comment", section => $section }
            if $line =~ /^;?(\w+) = (.+)/;
    }
}

for my $row (@rows) {
    my ($name, $key) = @$row{qw(title name)};
    my $entry = $example{$name}[0];
    ok($entry, "the example has $name") or next;
    my $comment = $entry->{comment};
    if (defined $row->{default} && !$default_in_words{$name}) {
        ok($entry->{value} eq $row->{default} || $comment =~ /\b$key = \Q$row->{default}\E is the default/,
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

# ---- the manual page: one item for each key; the last line is the default ----

my $page = file_text("man/pop3.proxy.conf.5");
my %item;
for my $part (split /^\.Ss /m, $page) {
    my ($title) = $part =~ /\A(.*)/;
    for my $text ($part =~ /^(\.It Ic \w+ = .*?)(?=^\.It |^\.El)/gms) {
        my ($name) = $text =~ /\A\.It Ic (\w+)/;
        push @{ $item{ title_of($title eq 'Groups of servers', $name) } }, { title => $title, last => (split /\n/, $text)[-1] };
    }
}

for my $row (@rows) {
    my $name  = $row->{title};
    my @items = @{ $item{$name} // [] };
    is(scalar @items, 1, "the manual has one item for $name") or next;
    my $default = $default_in_words{$name} // $row->{default};
    $default =~ s/\\/\\e/g if defined $default;    # as mdoc(7) writes a backslash
    my $wanted  = defined $default ? "Default $default" : 'Not set by default';
    $wanted .= ", range $row->{least} to $row->{most}" if defined $row->{least};
    is($items[0]{last}, "$wanted.", "the manual's default of $name");
    my $is_whole = $items[0]{title} eq 'The whole server';
    is($is_whole ? 'PROXY' : 'an instance\'s', $row->{scope} eq 'PROXY' ? 'PROXY' : 'an instance\'s',
        "the manual's place of $name");
}
is_deeply([ grep { !$key{$_} } sort keys %item ], [], 'the manual has no other key');

# ---- all pages ----

# Every remark counts except those about pages that are not installed here.
SKIP: {
    my @pages = map { s{.*/}{}r } glob "$FindBin::Bin/../man/*.[1-9]";
    skip 'mandoc is not installed', scalar @pages if system('command -v mandoc >/dev/null 2>&1') != 0;
    for my $page (@pages) {
        my @remarks = grep { !/: (?:referenced manual not found|outdated mandoc\.db)/ } qx(mandoc -T lint "$FindBin::Bin/../man/$page" 2>&1);
        is_deeply(\@remarks, [], "$page is well-formed");
    }
}

# Every counter: its heading in the status table and its metric.
my $operation = file_text("man/pop3.proxy-operation.7");
for my $total (totals()) {
    like($operation, qr/^\.It Li .*\b$total->{heading}\b/m, "the manual has the heading $total->{heading}");
    like($operation, qr/^\.Li .*\b$total->{metric}_total\b/m, "the manual has the metric $total->{metric}_total");
}
for my $row (rows('pool/histograms.def', 'HISTOGRAM')) {
    like($operation, qr/^\.It Li $row->[2]\n/m, "the manual has the histogram $row->[2]");
}
for my $gauge (gauges()) {
    like($operation, qr/^\.It Li .*\b$gauge->{heading}\b/m, "the manual has the heading $gauge->{heading}");
    like($operation, qr/^\.Li .*\b$gauge->{metric}\b/m, "the manual has the metric $gauge->{metric}");
}

done_testing;
