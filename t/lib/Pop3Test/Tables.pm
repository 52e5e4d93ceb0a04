# SPDX-License-Identifier: BSD-2-Clause
#
# Reads files of the source tree, above all the tables in its .def files. A test that takes its
# list from here covers a new row without being changed.

package Pop3Test::Tables;

use strict;
use warnings;
use Exporter 'import';
use FindBin;

our @EXPORT_OK = qw(file_text rows conf_keys events logged_events reasons totals gauges);

my $top = "$FindBin::Bin/..";
my %SEVERITY = (ALERT => 1, ERROR => 3, WARNING => 4, NOTICE => 5, INFO => 6);

my $string = qr/"(?:[^"\\]|\\.)*"/;
my $field  = qr/(?:$string|'[^']*'|[^"',()])+/;

# The text of a file of the tree.
sub file_text {
    my ($path) = @_;
    open my $file, '<', "$top/$path" or die "$path: $!\n";
    local $/;
    return <$file>;
}

# A field as Perl has it: strings without quotes and joined, NULL as undef, all others as they are.
sub _value {
    my ($text) = @_;
    $text =~ s/\A\s+|\s+\z//g;
    return join '', map { s/\\(.)/$1/gr } $text =~ /"((?:[^"\\]|\\.)*)"/g if $text =~ /\A"/;
    return $text eq 'NULL' ? undef : $text;
}

# The fields of each row of a table, as references to lists: rows('pool/totals.def', 'TOTAL'). Dies if
# the table has none. With a pattern for the macro, what it captures comes first.
sub rows {
    my ($path, $macro) = @_;
    my $text = file_text("src/$path") =~ s{/\*.*?\*/}{}gsr;
    my @rows;
    while ($text =~ /^$macro\((?<fields>$field(?:,$field)*)\)/mg) {
        my ($kind, $fields) = ($1, $+{fields});
        push @rows, [ $fields eq $kind ? () : $kind, map { _value($_) } $fields =~ /($field)/g ];
    }
    die "$path: no row of $macro\n" if !@rows;
    return @rows;
}

# The settings: a list of {name, title, type, scope, letter, default, least, most}. name is the key as it is
# written, title is different for a key of a group: "group NAME". letter is undef without a
# short option; default is as the file says it, undef if there is none.
sub conf_keys {
    return map { _conf_key(@$_) } rows('config/conf_keys.def', qr/CONF_(\w+)/);
}

sub _conf_key {
    my ($type, $name, $scope, $letter, $default, $least, $most) = @_;
    $name =~ s/\Agroup_// if $scope eq 'GROUP';
    my %key = (name => $name, title => $scope eq 'GROUP' ? "group $name" : $name, type => $type, scope => $scope, default => $default);
    $key{letter} = $letter =~ /\A'(\w)'\z/ ? $1 : undef;
    $key{default} = $default eq 'true' ? 'yes' : 'no' if $type eq 'FLAG';
    @key{qw(least most)} = ($least, $most) if $type eq 'NUMBER';
    return \%key;
}

# reason => {level, severity, reply}; reply is undef if the client is told nothing.
sub reasons {
    return map { my (undef, $reason, $level, undef, $reply) = @$_;
        ($reason => { level => lc $level, severity => $SEVERITY{$level}, reply => $reply }) }
        rows('session/outcome.def', 'OUTCOME');
}

# event => {level => severity, ...}: all that its lines may have.
sub events {
    my %reasons = reasons();
    my %event;
    for my $row (rows('base/event.def', 'EVENT')) {
        my (undef, $event, $level, $other) = @$row;
        my @levels = $other eq 'ANY' ? map { uc $_->{level} } values %reasons : grep { $_ ne 'NONE' } $level, $other;
        $event{$event} = { map { lc $_ => $SEVERITY{$_} } @levels };
    }
    return %event;
}

# The words of the events that some source logs.
sub logged_events {
    my $code = join '', map { file_text(substr $_, 1 + length $top) } glob "$top/src/*/*.c";
    return map { $_->[1] } grep { $code =~ /\bEVENT_$_->[0]\b/ } rows('base/event.def', 'EVENT');
}

# What is counted of an instance: a list of {name, metric, heading}.
sub totals {
    return map { my ($name, undef, $metric, $heading) = @$_; { name => $name, metric => $metric, heading => $heading } }
        rows('pool/totals.def', 'TOTAL');
}

# What is shown of a pool as it is now: the same.
sub gauges {
    return map { my ($name, undef, $metric, $heading) = @$_; { name => $name, metric => $metric, heading => $heading } }
        rows('status/gauges.def', 'GAUGE');
}

1;
