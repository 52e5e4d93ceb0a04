# SPDX-License-Identifier: BSD-2-Clause
#
# Time limits up to the login: one absolute limit for all of it, and limits for the single steps. Each
# scene makes one party slow and measures when the client is told.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Slow;
use Socket;

expect_log(qw(configuration acp-failed));
expect_reason(qw(login-timeout connect-timeout server-timeout acp-timeout));

my $own = qr/\A-ERR \[SYS\/TEMP\] [^\r\n]+\r\n\z/;

# A client that has sent all commands before PASS.
sub before_pass {
    my ($proxy) = @_;
    my $client = $proxy->client;
    $client->greeting;
    $client->ask('USER joe');
    return $client;
}

scene 'a silent client' => sub {
    my $client = proxy('--login-timeout', 1, server()->address)->client;
    my $start  = now();
    $client->greeting;
    like ends_at('silent', $client, $start, 1), qr/\A-ERR [^\r\n]+\r\n\z/, 'told so';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

scene 'the client\'s part of the login has a limit of its own' => sub {
    my %client;
    for my $way ('silent', 'after USER', 'within AUTH') {
        my $client = proxy('--client-login-timeout', 1, '--login-timeout', 60, server()->address)->client;
        $client{$way} = [ $client, now() ];
        $client->greeting;
        $client->ask('USER joe') if $way eq 'after USER';
        is $client->send_line('AUTH PLAIN')->line, '+ ', 'a challenge' if $way eq 'within AUTH';
    }
    for my $way (sort keys %client) {
        my ($client, $start) = @{ $client{$way} };
        like ends_at($way, $client, $start, 1), qr/\A-ERR [^\r\n]+\r\n\z/, "$way: told so";
        is $client->session_line->{reason}, 'login-timeout', 'reason';
    }
    my $server = server(on => { PASS => '' });
    my $client = before_pass(proxy('--client-login-timeout', 1, $server->address));
    $client->send_line('PASS x');
    $server->wait_line(qr/^PASS/);
    pause(1.5);
    ($server->connections)[-1]->send("+OK in\r\n");
    is $client->reply, '+OK in', 'the server has more time';
    $client->quit;
};

scene 'a client that drips' => sub {
    my $proxy = proxy('--login-timeout', 1, server()->address);
    my %client;
    for my $drop ('x', "USER joe\r\n", "CAPA\r\n") {
        my $start = now();
        $client{$drop} = [ $proxy->client, $start ];
        drip($client{$drop}[0], $drop, 0.15);
    }
    for my $drop (sort keys %client) {
        ends_at(show($drop), @{ $client{$drop} }, 1);
        is $client{$drop}[0]->session_line->{reason}, 'login-timeout', 'reason';
    }
};

# The proxy never waits for this client, so no wait ends at the limit. SIGSTOP gives it time to be ahead.
scene 'a client that always has sent more' => sub {
    my $client = proxy('--login-timeout', 1, server()->address)->client;
    $client->greeting;
    $client->process->signal('STOP');
    $client->send(('CAPA' . ' ' x 4000 . "\r\n") x 19);
    pause(1.2);
    $client->process->signal('CONT');
    my $lists = () = $client->rest =~ /^\.\r$/mg;
    cmp_ok $lists, '<', 19, 'is served to the end of one read, not of what it sent';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

scene 'a server that is silent' => sub {
    my %client;
    for my $stage ('greeting', 'USER', 'PASS') {
        my $server = $stage eq 'greeting' ? server(script => 1) : server(on => { $stage => '' });
        my $client = before_pass(proxy('--server-timeout', 1, $server->address));
        $client{$stage} = [ $client, now() ];
        $client->send_line('PASS x');
    }
    for my $stage (sort keys %client) {
        like ends_at($stage, @{ $client{$stage} }, 1), $own, "$stage: told so";
        is $client{$stage}[0]->session_line->{reason}, 'server-timeout', "$stage: reason";
    }
};

scene 'a server that drips' => sub {
    my %client;
    for my $stage ('greeting', 'USER', 'PASS') {
        my $slow   = sub { $_[0]->send('+OK '); drip($_[0], 'x', 0.1); '' };
        my $server = server($stage eq 'greeting' ? (script => 1, on_accept => $slow) : (on => { $stage => $slow }));
        my $start  = now();
        my $client = before_pass(proxy('--login-timeout', 1, $server->address));
        $client->send_line('PASS x');
        $client{$stage} = [ $client, $start ];
    }
    for my $stage (sort keys %client) {
        like ends_at($stage, @{ $client{$stage} }, 1), $own, "$stage: told so";
        is $client{$stage}[0]->session_line->{reason}, 'login-timeout', "$stage: reason";
    }
};

scene 'the login limit covers all steps together' => sub {
    my $proxy  = proxy('--login-timeout', 2, server(on => { PASS => '' })->address);
    my $start  = now();
    my $client = $proxy->client;
    $client->greeting;
    pause(1);
    my $later = $proxy->client;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    $later->greeting;
    like ends_at('sum', $client, $start, 2), $own, 'told so';
    ok $later->quiet(0), 'one that came when this one said PASS has its second yet';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
    is $later->line, '-ERR [SYS/TEMP] the login took too long', 'which passes';
};

scene 'a hanging acp within the login limit' => sub {
    my $start  = now();
    my $client = before_pass(proxy('--login-timeout', 1, '--acp-timeout', 60, '-a', acp('read go <' . never()), server()->address));
    $client->send_line('PASS x');
    like ends_at('acp', $client, $start, 1), qr/\A-ERR /, 'told so';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

scene 'a server that cannot be reached' => sub {
    socket my $listener, PF_INET, SOCK_STREAM, 0 or die $!;
    bind $listener, pack_sockaddr_in(0, inet_aton('127.0.0.1')) or die $!;
    my @queued = fill_queue($listener) or plan(skip_all => 'a full queue does not hang here');
    my ($port) = unpack_sockaddr_in(getsockname $listener);
    my %client;
    for my $limit ('connect-timeout', 'login-timeout') {
        my %seconds = ('connect-timeout' => 60, 'login-timeout' => 60, $limit => 1);
        my $start   = now();
        my $client  = before_pass(proxy((map { ("--$_", $seconds{$_}) } keys %seconds), "127.0.0.1:$port"));
        $client->send_line('PASS x');
        $client{$limit} = [ $client, $start ];
    }
    for my $limit (sort keys %client) {
        like ends_at($limit, @{ $client{$limit} }, 1), $own, "$limit: told so";
        is $client{$limit}[0]->session_line->{reason}, $limit, 'reason';
    }
};

scene '-t lowers every limit' => sub {
    my $start  = now();
    my $silent = proxy('-t', 1, server()->address)->client;
    $silent->greeting;
    my $waiting = before_pass(proxy('-t', 1, server(script => 1)->address));
    $waiting->send_line('PASS x');
    ends_at('login', $silent, $start, 1);
    ends_at('server', $waiting, $start, 1);
};

done;
