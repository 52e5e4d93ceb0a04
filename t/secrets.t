# SPDX-License-Identifier: BSD-2-Clause
#
# Passwords: once the login is answered, no process of the session has a copy in its memory, and
# arguments, environment and log never had one.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process qw(count_in_memory);
use Pop3Test::Server;
use Pop3Test::Tls;

plan(skip_all => 'needs /proc') if !-r '/proc/self/mem';
plan(skip_all => 'a sanitizer keeps freed memory') if is_sanitized();

# The password is gone. The user name, which the log needs, is still there, which shows
# that the search works.
sub forgets {
    my ($name, $client, $user, @passwords) = @_;
    my @pids = descendants($client->process->pid);
    my ($found_user, $found_password) = (0, 0);
    for my $pid (@pids) {
        my $count = eval { count_in_memory($pid, @passwords, $user) };
        plan(skip_all => "cannot read the memory of a process: $@") if !$count;
        $found_user     += $count->{$user};
        $found_password += $count->{$_} for @passwords;
    }
    cmp_ok $found_user, '>=', 1, "$name: the search works";
    is $found_password, 0, "$name: no copy in " . @pids . ' processes';
    return;
}

my $serial = 0;
sub new_password { return secret(sprintf 'Geheim-%05d-%02d-Losung', $$, ++$serial) }

scene 'after a login' => sub {
    my $password = new_password();
    my $client   = proxy(server()->address)->client->login('user-in-memory', $password);
    forgets('at once', $client, 'user-in-memory', $password);
    $client->ask('NOOP');
    forgets('later', $client, 'user-in-memory', $password);
    for my $pid (descendants($client->process->pid)) {
        unlike read_file("/proc/$pid/$_"), qr/\Q$password\E/, "not in $_" for qw(cmdline environ);
    }
    $client->quit;
};

scene 'after a login in one segment, in pieces, in a long line' => sub {
    my $password = new_password();
    my $server   = server(messages => [ message(100_000) ]);
    my $client   = proxy($server->address)->client;
    $client->send("USER user-in-memory\r\nPASS $password\r\nNOOP\r\n");
    $client->reply for 1 .. 4;
    forgets('one segment', $client, 'user-in-memory', $password);
    $client->quit;

    $password = new_password();
    $client = proxy($server->address)->client;
    for my $piece ('USER user-in-memory', "\r\nPASS " . substr($password, 0, 10), substr($password, 10) . "\r", "\n") {
        $client->send($piece);
        $client->taken;
    }
    $client->reply for 1 .. 3;
    forgets('pieces', $client, 'user-in-memory', $password);
    $client->quit;

    $password = new_password();
    $client = proxy($server->address)->client->login('user-in-memory', $password . 'x' x 7000);
    forgets('long', $client, 'user-in-memory', $password);
    $client->quit;
};

scene 'after a login through an acp, with the client log and a name' => sub {
    my ($outer, $inner) = (new_password(), new_password());
    my $server = server();
    my $client = proxy('-e', '-l', directory(0777), '-a', acp('exit 0'), '-')->client
        ->login("out:user-in-memory\@localhost:$server->{port}", "$outer:$inner");
    forgets('proxy login', $client, 'user-in-memory', $outer, $inner);
    $client->quit;
};

scene 'after several attempts' => sub {
    my ($long, $control, $good) = map { new_password() } 1 .. 3;
    my $client = proxy(server()->address)->client;
    $client->greeting;
    $client->ask('USER user-in-memory');
    $client->ask("PASS $long" . 'x' x 9000);
    $client->ask("PASS $control\x01");
    $client->ask("PASS$good");
    $client->ask("PASS $good");
    forgets('refused ones too', $client, 'user-in-memory', $good, $long, $control);
    $client->quit;
};

scene 'after AUTH' => sub {
    local $Pop3Test::Server::FORWARDED{AUTH} = 1;
    my $server = server(on => { AUTH => "+OK in\r\n" });
    my $password = new_password();
    my $refused  = new_password();
    for my $way ([], [qw(--server-auth plain)]) {
        my $client = proxy(@$way, $server->address)->client;
        $client->greeting;
        $client->ask('AUTH PLAIN ' . b64("x\0y\0$refused"));
        $client->ask('AUTH PLAIN ' . b64("\0user-in-memory\0$password"));
        forgets("PLAIN @$way", $client, 'user-in-memory', $password, b64("\0user-in-memory\0$password"), $refused);
        $client->quit;
    }
    my $client = proxy($server->address)->client;
    $client->greeting;
    my $message = "user=user-in-memory\x01auth=Bearer $password\x01\x01";
    $client->ask('AUTH XOAUTH2 ' . b64($message));
    forgets('a token', $client, 'user-in-memory', $password, b64($message));
    $client->quit;
};

scene 'after a login through TLS on both sides' => sub {
    plan(skip_all => 'needs TLS, openssl and stunnel') if !features()->{tls} || !has_openssl() || !has_stunnel();
    my $identity = identity(name => 'localhost', san => ['IP:127.0.0.1']);
    for my $version (qw(-tls1_2 -tls1_3)) {
        my $password = new_password();
        my $proxy = proxy(qw(--tls implicit --server-tls implicit --server-tls-verify=no --tls-certificate),
            $identity->{both}, tls_server(server(), identity => $identity));
        my $client = tls_client($proxy, args => [$version]);
        $client->login('user-in-memory', $password);
        $client->{process} = ($proxy->processes)[-1];
        forgets("$version, at once", $client, 'user-in-memory', $password);
        $client->ask('NOOP');
        forgets("$version, later", $client, 'user-in-memory', $password);
        $client->quit;
    }
};

scene 'no password is in the log, whatever fails' => sub {
    expect_log(qw(acp-failed configuration));
    expect_reason(qw(acp-failed connect-failed server-bad-reply));
    my $password = new_password();
    my $gone     = server();
    my $address  = $gone->address;
    $gone->close;
    my $server = server(on => { PASS => "nonsense $password\r\n" });
    my @ways   = ([$address], [ '-a', '/no/such/acp', $address ], [ '-a', acp('kill -9 $$'), $address ], [ $server->address ],
        [ '-a', acp('echo "$PROXY_USERNAME" >&2; exit 1'), $address ]);
    for my $way (@ways) {
        my $client = proxy(@$way)->client;
        $client->send("USER a:b\r\nPASS $password:$password\r\n$password\r\nPAS $password\r\n");
        unlike $client->rest, qr/\Q$password\E/, "[@$way] nor does the client get it back";
    }
};

done;
