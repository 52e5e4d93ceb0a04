# SPDX-License-Identifier: BSD-2-Clause
#
# Hundreds of mutated dialogues of servers: no crash, no hang, no sanitizer report. Up to the first
# broken reply the client gets exactly what the server sent, and after it at most one -ERR of the
# proxy's own.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Mutate;

expect_log(qw(configuration log-lines-lost));    # lines are lost when many sessions end at once
expect_reason(qw(server-bad-reply server-unsolicited server-closed server-lost server-refused server-timeout server-stalled));
my $seed  = seed();
my $total = $ENV{POP3_TEST_MUTATIONS} || 200;

my %good = (
    GREETING => "+OK ready\r\n",
    USER => "+OK\r\n",
    PASS => "+OK logged in\r\n",
    STAT => "+OK 2 320\r\n",
    LIST => "+OK\r\n1 160\r\n2 160\r\n.\r\n",
    UIDL => "+OK\r\n1 uid-1\r\n2 uid-2\r\n.\r\n",
    RETR => "+OK 160 octets\r\nSubject: x\r\n\r\n..stuffed\r\nbody\r\n\r\n.\r\n",
    TOP  => "+OK\r\nSubject: x\r\n\r\nbody\r\n.\r\n",
    DELE => "+OK deleted\r\n",
    NOOP => "-ERR no operation\r\n",
    QUIT => "+OK bye\r\n",
);
my @commands = ('STAT', 'LIST', 'RETR 1', 'UIDL', 'NOOP', 'TOP 1 1', 'DELE 1', 'STAT', 'QUIT');
my %is_multi = map { $_ => 1 } qw(LIST UIDL RETR TOP);
my $own = qr/-ERR [\x20-\x7e]+\r\n/;

# How much of $wire is the reply to a command, and whether it is complete:
# (length of the status line, length of the whole reply); nothing if the status
# line is malformed.
sub reply_in {
    my ($wire, $multi) = @_;
    my ($status) = $wire =~ /\A((?:\+OK|-ERR)[^\n]*\r\n)/ or return;
    return if length $status > 512;
    return (length $status, length $status) if !$multi || $status =~ /^-/;
    my $body = substr $wire, length $status;
    return (length $status, length($status) + 3) if $body =~ /\A\.\r\n/;
    my $end = index $body, "\r\n.\r\n";
    return (length $status, $end < 0 ? undef : length($status) + $end + 5);
}

# A status line as a pattern: the proxy may have replaced unprintable octets.
sub status_pattern {
    my ($status) = @_;
    return join('', map { /[\x20-\x7e]/ ? quotemeta : '[^\r\n]' } split //, substr $status, 0, -2) . '\r\n';
}

# Compares what the client got after the login with the plan: the list of
# [verb, wire]. Returns '' or what is wrong.
sub compare {
    my ($seen, @plan) = @_;
    for my $step (@plan) {
        my ($verb, $wire) = @$step;
        my ($status_length, $length) = reply_in($wire, $is_multi{$verb});
        return $seen =~ /\A$own?\z/ ? '' : "$verb: after a malformed reply: " . show($seen) if !$status_length;
        my $pattern = status_pattern(substr $wire, 0, $status_length);
        if (!defined $length || $length != length $wire) {
            # Broken after the status line: any part of the reply, no more.
            return '' if $seen =~ /\A$own?\z/;
            return "$verb: not its status line: " . show($seen) if $seen !~ s/\A$pattern//;
            my $body = substr $wire, $status_length, ($length // length $wire) - $status_length;
            return index($body, $seen) == 0 || $seen =~ /\A$own\z/ ? '' : "$verb: spare octets: " . show($seen);
        }
        return "$verb: not its status line: " . show($seen) if $seen !~ s/\A$pattern//;
        my $body = substr $wire, $status_length;
        return "$verb: another body: " . show($seen) if index($seen, $body) != 0;
        substr $seen, 0, length $body, '';
    }
    return length $seen ? 'octets after the last reply: ' . show($seen) : '';
}

# One session; the description of what is wrong, or ''.
sub start_session {
    my ($damage) = @_;
    my %wire = %good;
    for my $verb (@$damage) { $wire{$verb} = mutate($wire{$verb}, 1 + int rand 3) }
    my $answer = sub {
        my ($verb) = @_;
        return sub {
            my ($connection) = @_;
            my (undef, $length) = reply_in($wire{$verb}, $is_multi{$verb});
            # Whole and broken replies in one segment, good ones also in pieces.
            my $is_good = defined $length && $length == length $wire{$verb};
            $connection->send($_) for $is_good ? pieces($wire{$verb}) : $wire{$verb};
            $connection->half_close if !defined $length;
            return '';
        };
    };
    my $server = server(script => 0, greeting => \'', on => { map { $_ => $answer->($_) } keys %good });
    $server->{on_accept} = $answer->('GREETING');
    my $client = proxy('-t', 12, $server->address)->client;
    $client->send(join '', map { "$_\r\n" } 'USER joe', 'PASS x', @commands);
    return { client => $client, wire => \%wire, server => $server, damage => $damage };
}

sub finish_session {
    my ($session) = @_;
    my ($client, $wire) = @$session{qw(client wire)};
    my $status = $client->process->wait;
    return 'hangs' if !defined $status;
    return 'ends with ' . exit_code($status) if $status;
    my $seen = $client->rest;
    $seen =~ s/\A\+OK [^\r\n]*\r\n\+OK [^\r\n]*\r\n// or return 'no greeting: ' . show($seen);
    for my $verb (qw(GREETING USER PASS)) {
        my ($status_length, $length) = reply_in($wire->{$verb}, 0);
        next if $status_length && $length == length $wire->{$verb} && $wire->{$verb} =~ /^\+OK/;
        # The proxy may have sent PASS before it saw the spare octets.
        my $pass = $verb eq 'PASS' && $status_length ? status_pattern(substr $wire->{PASS}, 0, $status_length) : '(?!)';
        return $seen =~ /\A(?:-ERR[^\r\n]*\r\n|$pass)?\z/ ? '' : "$verb: a login in spite of it: " . show($seen);
    }
    my $pass = status_pattern($wire->{PASS});
    $seen =~ s/\A$pass// or return 'not the reply to PASS: ' . show($seen);
    return compare($seen, map { my ($verb) = split / /; [ $verb, $wire->{$verb} ] } @commands);
}

scene "mutated dialogues, seed $seed" => sub {
    my ($count, @bad) = (0);
    my @verbs = sort keys %good;
    while ($count < $total && @bad < 5) {
        my @round = map { start_session([ map { any_of(@verbs) } 1 .. any_of(1, 1, 2) ]) } 1 .. 10;
        for my $session (@round) {
            my $why = finish_session($session);
            push @bad, @{ $session->{server}{violations} };
            my %wire = %{ $session->{wire} };
            push @bad, "$why; " . join ', ', map { "$_: \"" . show($wire{$_}) . '"' } @{ $session->{damage} } if $why;
            $_->close for $session->{client}, $session->{server};
        }
        $count += @round;
    }
    is join("\n", @bad), '', "nothing wrong with any of $count sessions";
};

done;
