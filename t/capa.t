# SPDX-License-Identifier: BSD-2-Clause
#
# CAPA before the login shows our own list, after it the server's list cut down to what we relay. What
# was announced before the login stays announced.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

plan(skip_all => 'built without capa') if !features()->{capa};
expect_reason(qw(server-bad-reply server-unsolicited server-closed server-timeout));

sub capabilities {
    my ($client) = @_;
    my ($status, $body) = $client->fetch('CAPA');
    die "CAPA: $status\n" if $status !~ /^\+OK/;
    return [ split /\r\n/, $body ];
}

sub words { my ($list) = @_; return { map { (split / /)[0] => 1 } @$list } }

scene 'before login' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    $client->greeting;
    my $words = words(capabilities($client));
    ok $words->{$_}, $_ for qw(TOP USER UIDL PIPELINING RESP-CODES AUTH-RESP-CODE);
    ok !$words->{$_}, "no $_" for qw(SASL STLS UTF8 LANG);
    capabilities($client) for 1 .. 10;
    like $client->ask('USER joe'), qr/^\+OK/, 'it never counts as refused';
    ok words(capabilities($client))->{TOP}, 'also between USER and PASS';
    is scalar $server->connections, 0, 'no server is asked';
    like $client->ask('PASS x'), qr/^\+OK/, 'PASS';
    $client->quit;
};

scene 'after login: what we relay of the server\'s list' => sub {
    my @theirs = ('TOP', 'UIDL', 'USER', 'SASL LOGIN CRAM-MD5', 'STLS', 'UTF8 USER', 'LANG', 'XOIP', 'EXPIRE 30',
        'LOGIN-DELAY 900', 'IMPLEMENTATION Test 1', 'X-FOO bar');
    my $client = proxy(server(capa => \@theirs)->address)->client;
    $client->greeting;
    my $before = capabilities($client);
    $client->ask('USER joe');
    $client->ask('PASS x');
    my $after = capabilities($client);
    my $words = words($after);
    ok $words->{ (split / /)[0] }, "$_ is still announced" for @$before;
    ok !$words->{$_}, "$_ is not relayed, so not announced" for qw(STLS LANG XOIP X-FOO UTF8);
    is scalar grep({ /^SASL.*CRAM/ } @$after), 0, 'the server\'s mechanisms are not ours';
    my %lines = map { $_ => 1 } @$after;
    ok $lines{$_}, "$_ is passed on" for 'EXPIRE 30', 'LOGIN-DELAY 900';
    is scalar keys %lines, scalar @$after, 'nothing twice';
    $client->quit;
};

scene 'a server without CAPA' => sub {
    my $client = proxy(server()->address)->client->login;
    ok words(capabilities($client))->{TOP}, 'our own list';
    capabilities($client) for 1 .. 10;
    is $client->ask('NOOP'), '+OK', 'the session goes on, and nothing was counted';
    $client->quit;
};

scene 'CAPA in a pipeline' => sub {
    my $client = proxy(server(capa => ['TOP'])->address)->client;
    $client->send("CAPA\r\nUSER joe\r\nCAPA\r\nPASS x\r\nCAPA\r\nNOOP\r\nQUIT\r\n");
    my $list = qr/\+OK[^\r\n]*\r\n(?:[A-Z][^\r\n]*\r\n)+\.\r\n/;
    like $client->rest, qr/\A\+OK[^\r\n]*\r\n$list\+OK[^\r\n]*\r\n$list\+OK logged in\r\n$list\+OK\r\n\+OK bye\r\n\z/, 'in order';
};

scene 'malformed lists' => sub {
    my %wrong = (
        'bare LF'          => [ "+OK\r\nTOP\n.\r\n",            'server-bad-reply' ],
        'an endless line'  => [ "+OK\r\n" . 'x' x 100_000,       'server-bad-reply' ],
        'endless lines'    => [ "+OK\r\n" . "TOP\r\n" x 50_000, 'server-bad-reply' ],
        'octets after it'  => [ "+OK\r\nTOP\r\n.\r\n+OK\r\n",  'server-unsolicited' ],
        'an end too early' => [ "+OK\r\nTOP\r\n",              'server-closed' ],
    );
    for my $name (sort keys %wrong) {
        my ($list, $reason) = @{ $wrong{$name} };
        my $server = server(on => { CAPA => sub {
            return if !grep { /^PASS/ } $_[0]->lines; # the proxy asks before the login
            $_[0]->send($list); $_[0]->half_close if $name =~ /early/;
            return '';
        } });
        my $client = proxy($server->address)->client->login;
        $client->send_line('CAPA');
        my $seen = $client->rest;
        like $seen, qr/\A-ERR [^\r\n]+\r\n\z/, "$name: no half a list, but a word of our own";
        is $client->session_line->{reason}, $reason, "$name: reason";
    }
};

scene 'control octets in a list are not passed on' => sub {
    my $server = server(on => { CAPA => "+OK\r\nEXPIRE \e[2J\r\nLOGIN-DELAY 9\r\nIMPLEMENTATION a\0b\r\n.\r\n" });
    my $client = proxy($server->address)->client;
    $client->greeting;
    my $ours = capabilities($client);
    $client->ask('USER joe');
    $client->ask('PASS x');
    is_deeply capabilities($client), [ @$ours, 'LOGIN-DELAY 9' ], 'nor are the lines that hold them';
    $client->quit;
};

scene 'CAPA with an argument' => sub {
    my $client = proxy(server()->address)->client;
    $client->greeting;
    like $client->ask('CAPA x'), qr/^-ERR/, 'is malformed';
    $client->quit;
};

done;
