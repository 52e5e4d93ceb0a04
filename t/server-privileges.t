# SPDX-License-Identifier: BSD-2-Clause
#
# The processes of the server: which users they run as, what they may do, which descriptors they have
# open.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

sub core_limit { return (read_file("/proc/$_[0]/limits") =~ /^Max core file size\s+(\S+)\s+(\S+)/m)[ 0, 1 ] }

sub plan_root { plan(skip_all => 'not run by root') if !is_root() }

# No process that talks to clients or servers is root.
sub is_confined {
    my ($pid, $name, $uid, $gid) = @_;
    my $facts = facts($pid);
    is $facts->{Uid} =~ s/\s+/ /gr, join(' ', ($uid) x 4), "$name: user, for good";
    is $facts->{Gid} =~ s/\s+/ /gr, join(' ', ($gid) x 4), "$name: group, for good";
    is_deeply [ grep { $_ != $gid } split ' ', $facts->{Groups} ], [], "$name: no other group";
    is $facts->{$_}, '0' x 16, "$name: $_" for qw(CapEff CapPrm CapInh CapAmb);
    is((stat "/proc/$pid/environ")[4], 0, "$name: not dumpable");
    return;
}

scene 'started by root' => sub {
    plan_root();
    my $master = master(server => server()->address);
    my $client = $master->client->login('busy');
    for my $pid ($master->workers(2), $master->helpers) {
        is_confined($pid, "process $pid", 65535, 65534);
    }
    for my $pid ($master->workers(2), $master->helpers) {
        is facts($pid)->{NoNewPrivs}, 1, "process $pid: no new privileges";
        is facts($pid)->{CapBnd}, '0' x 16, "process $pid: no capabilities from a program either";
        is_deeply [ core_limit($pid) ], [ 0, 0 ], "process $pid: no core file";
    }
    is((stat '/proc/' . $master->pid . '/environ')[4], 0, 'the master is not dumpable');
    $client->quit;
};

scene 'with a configured user' => sub {
    plan_root();
    my ($uid, $gid) = (getpwnam 'daemon')[ 2, 3 ];
    plan(skip_all => 'no user daemon') if !$uid;
    my $master = master(server => server()->address, user => 'daemon');
    is_confined($_, "process $_", $uid, $gid) for $master->workers(2);
    $master->client->login->quit;
    my $option = master(-arguments => [ '-u', "daemon:65534", '-b', '127.0.0.1:0', server()->address ]);
    is_confined(($option->workers(1))[0], '-u', $uid, 65534);
};

scene 'started by another user it keeps that user' => sub {
    plan_root();
    my $master = master(server => server()->address, -before => sub { $( = 12345; $) = '12345 12345'; $< = $> = 12346 });
    my $facts  = facts(($master->workers(1))[0]);
    is $facts->{Uid} =~ s/\s.*//r, 12346, 'user';
    $master->client->login->quit;
};

scene 'few descriptors' => sub {
    needs_one_session('counts descriptors');
    plan_root();
    my $directory = directory(0777);
    my $server    = server(messages => [ message(1000) ]);
    my $log       = directory(0777) . '/log';
    open my $spare, '<', '/dev/null' or die $!;
    fcntl $spare, 2, 0;     # F_SETFD: the server inherits it
    my $master = master(-instances => [
        one => { listen => '127.0.0.1:0' }, two => { listen => '127.0.0.2:0' }, three => { listen => '127.0.0.3:0' },
    ], server => $server->address, acp => acp('exit 0'), client_log => $directory);
    my $client = $master->client(to => '127.0.0.2')->login('descriptors');
    $client->fetch('RETR 1') for 1 .. 20;
    for my $pid ($master->workers(6), $master->helpers) {
        my @open = descriptors($pid);
        cmp_ok scalar @open, '<=', 12, "process $pid: @open";
    }
    my $busy = $master->worker_of('descriptors');
    cmp_ok scalar(descriptors($busy)), '<=', 12, 'and with a session: ' . join ' ', descriptors($busy);
    my @listening = grep { /^socket:/ } descriptors($busy);
    # The listener, the one to the helper and a pair for the next question, the one for traces, the log, the
    # client and the server.
    cmp_ok scalar @listening, '<=', 7, 'its instance\'s sockets only';
    $client->quit;
    my $result = $master->settled(6);
    cmp_ok scalar(descriptors($_)), '<=', 10, "idle again: $_" for $busy;
};

scene 'confined to a directory' => sub {
    plan_root();
    my $jail   = directory(0755);
    my $server = server();
    my $client_log = directory(0777);
    my $master = master(server => "localhost:$server->{port}", chroot => $jail, client_log => $client_log, acp => acp('exit 0'));
    is readlink("/proc/$_/root"), $jail, "worker $_" for $master->workers(2);
    is $master->client->login->quit, '+OK bye', 'a session: names, acp and client log are the helper\'s';
    like read_file("$client_log/127.0.0.1"), qr/\A\d+ 127\.0\.0\.1 joe /, 'written';
    ok $master->after(sub { $master->signal('USR1') }, 'log-reopened'), 'logs reopened';
    is $master->client->login->quit, '+OK bye', 'and on';
};

done;
