#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# The manual pages of the program and of its log agree with the sources: every option, command,
# variable of the acp, event, and reason with its severity and reply is there, and no other. (The keys
# of the file: t/conf-keys.t.)

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Pop3Test::Tables qw(file_text rows conf_keys events logged_events reasons);

# The manual pages of the program and of its log, read as one text.
my $page = file_text('man/pop3.proxy.8') . file_text('man/pop3.proxy-log.5');

# The text of a section (.Sh) or subsection (.Ss).
sub section {
    my ($macro, $title) = @_;
    my $end = $macro eq 'Sh' ? qr/^\.Sh /m : qr/^\.S[hs] /m;
    my ($text) = $page =~ /^\.$macro \Q$title\E\n(.*?)(?=$end|\z)/ms;
    return $text // die "there is no section $title\n";
}

sub is_same {
    my ($name, $manual, $source) = @_;
    return is_deeply([ sort @$manual ], [ sort @$source ], $name);
}

# ---- options ----

my @options = map { /\bFl (-?[\w-]+)/g } grep { /^\.It Fl/ } split /\n/, section('Sh', 'OPTIONS');
my %letter  = map { ($_->{name} => $_->{letter}) } grep { $_->{scope} ne 'GROUP' } conf_keys();
my ($table) = file_text('src/config/options.c') =~ /own_longs\[\] = \{(.*?)\n\};/s;
my %own     = $table =~ /\{"([\w-]+)", \w+, NULL, (?:'(\w)'|\w+)\}/g;

cmp_ok(scalar keys %own, '>', 5, 'the table of options is read');
delete $letter{server};                                 # the operand
delete $letter{listen};                                 # its option is --bind
my %long = (%own, map { (tr/_/-/r => $letter{$_}) } keys %letter);
is_same('options', \@options, [ map { ("-$_", $long{$_} // ()) } keys %long ]);
for my $name (sort grep { defined $long{$_} } keys %long) {
    like($page, qr/^\.It Fl $long{$name}(?: [^,\n]*)? , Fl -$name\b/m, "-$long{$name} is --$name");
}

# ---- commands of operators ----

is_same('commands of operators', [ section('Sh', 'COMMANDS') =~ /^\.It Nm Fl f Ar file Cm (\w+)/mg ],
    [ map { $_->[1] } rows('config/operator_command.def', 'OPERATOR_COMMAND') ]);

# ---- commands, variables of the acp ----

my %state = map { (/before/ ? 'AUTH' : 'TRANS') => $_ }
    section('Ss', 'Protocol support') =~ /^\.It ((?:before|after) the login\n\.Li [^\n]*)/mg;
my @commands = rows('pop3/command.def', 'COMMAND');
for my $state (sort keys %state) {
    is_same("commands, $state", [ $state{$state} =~ /\b([A-Z]+)\b/g ],
        [ map { $_->[0] } grep { $_->[1] eq $state || $_->[1] eq 'BOTH' } @commands ]);
}

is_same('variables of the acp', [ map { /Ev PROXY_(\w+)/g } grep { /^\.It/ } split /\n/, section('Ss', 'Access control') ],
    [ map { $_->[0] } rows('helper/acp.def', 'ACP_VARIABLE') ]);

# ---- events ----

my %events = events();
my %described;
for my $text (section('Ss', 'Events') =~ /^\.It Cm ([^\n]*\n.*?)(?=^\.It Cm|\z)/msg) {
    my ($head) = $text =~ /\A(.*)/;
    $described{$_} = $text for map { split / , / } map { s/ (?:P[qo]|;).*//r } split /\bCm /, $head =~ s/ Pc , Cm/ Cm/r;
}
is_same('events', [ keys %described ], [ keys %events ]);
is_same('every event of the table is logged somewhere', [ logged_events() ], [ keys %events ]);
for my $event (sort grep { $_ ne 'session' } keys %described) {
    my @missing = grep { $described{$event} !~ /\b$_\b/i } keys %{ $events{$event} || {} };
    is("@missing", '', "$event: every severity that it may have is named");
}

# ---- reasons ----

my %reasons = reasons();
my (%item, $before);
for my $text (section('Ss', 'Reasons') =~ /^\.It (Cm [^\n]*\n.*?)(?=^\.It |^\.El)/msg) {
    my ($names, $level, $body) = $text =~ /\ACm (.*?) Pq (\w+)\n(.*)\z/s or die "what is this? $text";
    my ($reply) = $body =~ /^\.Ql (-ERR [^\n]+[^\n,])$/m;
    $reply //= $before if $body =~ /^The same answer\.$/m;
    $before = $reply;
    $item{$_} = { level => $level, reply => $reply } for split / , /, $names;
}
is_same('reasons', [ keys %item ], [ keys %reasons ]);
for my $reason (sort keys %item) {
    is($item{$reason}{level}, $reasons{$reason}{level}, "$reason: severity");
    is($item{$reason}{reply}, $reasons{$reason}{reply}, "$reason: what the client is told");
}

done_testing;
