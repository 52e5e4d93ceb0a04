# SPDX-License-Identifier: BSD-2-Clause
#
# `explain WORD` and pop3.proxy-runbook(7) say the same of every reason and event of the log: the text of its
# row in outcome.def or event.def. The keys that these texts name exist, and so do the words in the symptoms.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tables qw(file_text rows conf_keys);

my %table = (reason => [ rows('session/outcome.def', 'OUTCOME') ], event => [ rows('base/event.def', 'EVENT') ]);
my $page  = file_text('man/pop3.proxy-runbook.7');
# What else stands in the texts with an underscore: pairs of the log, and fields of routing tables.
my %other = map { $_ => 1 } qw(delay_until logged_in);

sub told { return run([ program(), 'explain', @_ ], limit => 10) }
sub one_line { my ($text) = @_; return $text =~ s/\s+/ /gr =~ s/\A | \z//gr }

sub entries {
    my ($title) = @_;
    my ($section) = $page =~ /^\.Sh $title\n(.*?)^\.El/ms or die "the runbook has no section $title\n";
    my %entry;
    for (split /^\.It Cm /m, $section) {
        my ($word, $level, $text) = /\A(\S+) Pq (\w+)\n(.*)\z/s or next;
        $entry{$word} = "$level: " . one_line($text =~ s/\\([-&])/$1 eq '-' ? '-' : ''/ger);
    }
    return %entry;
}

# What explain says of each word; one shell starts them all.
sub told_of {
    my (@words) = @_;
    my $loop = run([ 'sh', '-c', 'for word; do echo "@$word"; "$0" explain "$word"; done', program(), @words ], limit => 300);
    return map { split /\n/, $_, 2 } grep { length } split /^@/m, $loop->{out};
}

scene 'the program and the runbook have the text of each row' => sub {
    my %told = told_of(map { $_->[1] } map { @$_ } values %table);
    my %key = map { $_->{name} => 1 } conf_keys();
    for my $kind (qw(reason event)) {
        my %entry = entries(uc "${kind}s");
        for my $row (@{ $table{$kind} }) {
            my ($word, $level, $text) = ($row->[1], lc $row->[2], $row->[-1]);
            my ($said) = grep { /\A$kind=\Q$word\E \($level\)/ } split /\n\n/, $told{$word};
            like one_line($said // ''), qr/\Q$text\E/, "explain $word ($kind)";
            is $entry{$word}, "$level: $text", "the runbook: $word ($kind)";
            is_deeply [ grep { !$key{$_} && !$other{$_} } $text =~ /\b([a-z]+_[a-z_]+)\b/g ], [], "keys it names: $word";
            delete $entry{$word};
        }
        is_deeply [ keys %entry ], [], "the runbook has no other $kind";
    }
};

scene 'the words in the symptoms of the runbook are reasons or events' => sub {
    my %word = map { $_->[1] => 1 } map { @$_ } values %table;
    my ($symptoms) = $page =~ /^\.Sh SYMPTOMS\n(.*?)^\.Sh /ms;
    my @named = map { split /[ ,;.:]+/ } $symptoms =~ /^(?:\.It )?\.?Cm ([^\n]*)$/mg;
    cmp_ok scalar @named, '>', 30, 'words are found';
    is_deeply [ grep { length && !$word{$_} } @named ], [], 'all are known';
    my %named = map { $_ => 1 } @named;
    my @failures = map { $_->[1] } grep { $_->[3] =~ /\bFAILURE\b/ } @{ $table{reason} };
    cmp_ok scalar @failures, '>', 20, 'there are failures';
    is_deeply [ grep { !$named{$_} } @failures ], [], 'each failure stands under a symptom';
};

scene 'explain without a server, with a file, and with a mistake' => sub {
    my $both = told('route-failed');
    is exit_code($both->{status}), 0, 'a word that is a reason and an event';
    like $both->{out}, qr/^reason=route-failed .*^event=route-failed /ms, 'both are told';
    like $both->{out}, qr/^  The client is told: -ERR \[SYS\/TEMP\]/m, 'and what the client is told';
    my $file = run([ program(), '-f', '/no/such/file', 'explain', 'shed' ], limit => 10);
    like $file->{out}, qr/^reason=shed \(warning\)/, 'the file is not read';
    for my $pair ('reason=idle-timeout', 'event=worker-died') {
        my ($word) = $pair =~ /=(.*)/;
        is told($pair)->{out}, told($word)->{out}, "$pair, as a line of the log has it";
        like told($pair)->{out}, qr/^\Q$pair\E /, 'is found';
    }
    for ([ 'shedd', qr/did you mean shed\?/ ], [ 'nonsense', qr/pop3\.proxy-runbook\(7\)/ ], [ '-m', qr/called -m/ ]) {
        my $wrong = told($_->[0]);
        is exit_code($wrong->{status}), 64, "explain $_->[0]";
        like $wrong->{err}, $_->[1], 'says what to do';
        is $wrong->{out}, '', 'and nothing else';
    }
    my $full = run([ 'sh', '-c', program() . ' explain shed >/dev/full' ], limit => 10);
    is exit_code($full->{status}), 74, 'a full disk is an error';
    like $full->{err}, qr/standard output: No space left/, 'and is told';
};

done;
