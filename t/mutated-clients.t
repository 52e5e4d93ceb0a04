# SPDX-License-Identifier: BSD-2-Clause
#
# Hundreds of mutated dialogues of clients: no crash, no hang, no sanitizer report. The server gets
# only lines that the client sent as whole, clean and supported lines, and the client gets only
# replies.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Mutate;

expect_log(qw(configuration log-lines-lost));    # lines are lost when many sessions end at once
my $seed  = seed();
my $total = $ENV{POP3_TEST_MUTATIONS} || 400;

my @messages = map { "B: $_\r\n\r\n" . "B: line\r\n" x $_ } 1 .. 3;
my @dialogues = (
    "USER joe\r\nPASS x\r\nSTAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n",
    "CAPA\r\nUSER joe\r\nPASS x y\r\nCAPA\r\nUIDL\r\nTOP 2 1\r\nRSET\r\nQUIT\r\n",
    "USER joe\r\nPASS x\r\n" . "NOOP\r\n" x 5 . "LAST\r\nLIST 1\r\nUIDL 2\r\nRETR 3\r\n",
    "user joe\npass x\nstat\nretr 2\nquit\n",
    "QUIT\r\n",
    "USER joe\r\nUSER jim\r\nPASS x\r\nDELE 2\r\nRETR 2\r\nQUIT\r\n",
);

# A line of the list after CAPA, or after a bare AUTH.
my $capability = qr/TOP|USER|SASL[ ]PLAIN[ ]LOGIN[ ]XOAUTH2[ ]OAUTHBEARER|UIDL|RESP-CODES|AUTH-RESP-CODE|PIPELINING
    |PLAIN|LOGIN|XOAUTH2|OAUTHBEARER/x;

# What remains of the octets without everything that a client may get.
sub not_a_reply {
    my ($seen, $is_cut_off) = @_;
    $seen =~ s/^(?:\+OK|-ERR)(?: [\x20-\x7e]*)?\r\n//mg;
    $seen =~ s/^(?:B: [\x20-\x7e]*|\.|\d+ (?:\d+|uid-\d+)|$capability|)\r\n//mg;
    $seen =~ s/\A[^\n]*\z// if $is_cut_off;
    return $seen;
}

# A line as the proxy forwards it: the keyword in upper case, one blank before each argument, none at
# the end. Only in a password all blanks stay.
sub forwarded {
    my ($line) = @_;
    $line = $line =~ s/\r\z//r =~ s/^(\w+)/\U$1/r;
    return $line =~ /^PASS/ ? $line : $line =~ s/ +\z//r =~ s/ +/ /gr;
}

# Starts a client that sends $octets in pieces and then leaves in some way.
sub misbehave {
    my ($proxy, $octets) = @_;
    my $client = $proxy->client;
    my $end    = any_of(qw(half_close half_close half_close close reset));
    $client->greeting;
    for my $piece (pieces($octets)) {
        $client->send($piece);
        pause(0.001) if rand() < 0.2;
    }
    $client->$end;
    return { client => $client, sent => $octets, end => $end };
}

# What went wrong in one session; '' if nothing did.
sub complaint {
    my ($session) = @_;
    my $status = $session->{client}->process->wait;
    return 'hangs' if !defined $status;
    return 'ends with ' . exit_code($status) if $status;
    $session->{client}->rest;
    my $rest = not_a_reply($session->{client}->received, $session->{end} ne 'half_close');
    return length $rest ? 'the client gets ' . show($rest) : '';
}

# What went wrong at the server during a round of sessions.
sub complaints_of_server {
    my ($server, @round) = @_;
    my @bad = @{ $server->{violations} };
    # Only complete lines count: each ends in LF.
    my %sent = map { map { (forwarded($_) => 1) } $_->{sent} =~ /([^\n]*)\n/g } @round;
    push @bad, map { 'the server gets what no client sent: ' . show($_) } grep { !$sent{ forwarded($_) } } $server->lines;
    my $quits = () = join('', map { $_->{sent} } @round) =~ /^quit *\r?\n/mig;
    push @bad, 'more QUITs than were sent' if $server->saw(qr/^QUIT/i) > $quits;
    return @bad;
}

scene "mutated dialogues, seed $seed" => sub {
    my ($count, @bad) = (0);
    while ($count < $total && @bad < 5) {
        my $server = server(messages => \@messages, capa => [qw(TOP UIDL)]);
        my $proxy  = proxy('-t', 12, '--auth-mechanisms', 'PLAIN LOGIN XOAUTH2 OAUTHBEARER', $server->address);
        my @round  = map { misbehave($proxy, mutate(any_of(@dialogues), int rand 6)) } 1 .. 10;
        for my $session (@round) {
            my $why = complaint($session) or next;
            push @bad, "$why ($session->{end}, sent \"" . show($session->{sent}) . '")';
        }
        push @bad, complaints_of_server($server, @round);
        $_->close for $proxy, $server;
        $count += @round;
    }
    is join("\n", @bad), '', "nothing wrong with any of $count sessions";
};

done;
