# SPDX-License-Identifier: BSD-2-Clause
#
# The client log (-l): one whole line for each client's last login. A mail server may read it at any
# moment, and it never makes a login fail.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Pop3Test;

# Logs in and out through a proxy with -l; returns the file's content.
sub record {
    my ($user, %option) = @_;
    my $dir    = $option{dir} || directory(0777);
    my $host   = $option{host} || '127.0.0.1';
    my $client = proxy('-l', $dir, @{ $option{arguments} || [] }, { host => $host })->client->login($user);
    my $text   = read_file("$dir/" . ($option{file} || '127.0.0.1'));
    $client->quit;
    return $text;
}

scene 'the line' => sub {
    my $server = server();
    my $before = time;
    my $text   = record('joe', arguments => [ $server->address ]);
    my $after  = time;
    like $text, qr/\A(\d+) 127\.0\.0\.1 joe 127\.0\.0\.1:$server->{port}\n\z/, 'time, client, user, server';
    my ($time) = $text =~ /^(\d+)/;
    ok $before <= $time && $time <= $after, 'now';
};

scene 'it is written before the login is answered' => sub {
    my $dir    = directory(0777);
    my $server = server(script => 1);
    my $client = proxy('-l', $dir, $server->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    my $connection = $server->connection;
    $connection->send("+OK\r\n");
    $connection->command;
    $connection->send("+OK\r\n");
    $connection->command;
    ok !-e "$dir/127.0.0.1", 'not before the server said yes';
    $connection->send("+OK\r\n");
    $client->reply;
    ok -e "$dir/127.0.0.1", 'but then';
};

scene 'a refused login leaves no record' => sub {
    my $dir    = directory(0777);
    my $client = proxy('-l', $dir, server(password => 'x')->address)->client;
    like $client->try_login('joe', 'y'), qr/^-ERR/, 'refused';
    $client->closes;
    is_deeply [ glob "$dir/* $dir/.[!.]*" ], [], 'nothing in the directory';
};

scene 'user and server are the ones that were used' => sub {
    my $server = server();
    my $port   = $server->port;
    my %user   = (
        'a b'   => 'a\\x20b',
        'a\\b'  => 'a\\x5cb',
        'a"b'   => 'a"b',
    );
    like record($_, arguments => [ $server->address ]), qr/^\d+ 127\.0\.0\.1 \Q$user{$_}\E 127\.0\.0\.1:$port\n\z/, $_
        for sort keys %user;
    like record("joe\@localhost:$port", arguments => [ '-e', '-' ]), qr/^\d+ 127\.0\.0\.1 joe localhost:$port\n\z/,
        'the server as selected';
    like record("out:in", arguments => [ '-a', acp('exit 0'), $server->address ]), qr/^\d+ \S+ in \S+\n\z/,
        'the name as sent to the server';
};

scene 'a very long name does not spoil the line' => sub {
    my $user = '\\' x 248;    # as long as a USER line may be, and each octet becomes four
    like record($user, arguments => [ server()->address ]), qr/\A\d+ 127\.0\.0\.1 (?:\\x5c)+\S* \S+\n\z/, 'four fields, one line';
};

scene 'a client over IPv6' => sub {
    plan(skip_all => 'no IPv6 loopback here') if !server(host => '::1');
    my $server = server();
    like record('joe', arguments => [ $server->address ], host => '::1', file => '::1'), qr/^\d+ ::1 joe \S+\n\z/, '::1';
};

scene 'an IPv4-mapped client counts as IPv4' => sub {
    my $server = server();
    plan(skip_all => 'no mapped addresses here') if !eval { proxy('-', { host => '::ffff:127.0.0.1' }) };
    my $text = record('joe', arguments => [ $server->address ], host => '::ffff:127.0.0.1');
    like $text, qr/^\d+ 127\.0\.0\.1 joe \S+\n\z/, '127.0.0.1';
};

scene 'the server by its IPv6 address' => sub {
    my $server = server(host => '::1') or plan(skip_all => 'no IPv6 loopback here');
    like record('joe', arguments => [ $server->address ]), qr/^\d+ 127\.0\.0\.1 joe \[::1\]:$server->{port}\n\z/, 'in brackets';
};

scene 'the file is replaced as a whole' => sub {
    my $dir    = directory(0777);
    my $server = server();
    record('first', dir => $dir, arguments => [ $server->address ]);
    open my $old, '<', "$dir/127.0.0.1" or die "no file: $!\n";
    record('second', dir => $dir, arguments => [ $server->address ]);
    my $first = do { local $/; <$old> };
    like $first, qr/ first /, 'who has it open reads the old line';
    like read_file("$dir/127.0.0.1"), qr/\A\d+ \S+ second \S+\n\z/, 'the new one is there';
    is_deeply [ map { s{.*/}{}r } glob "$dir/* $dir/.[!.]*" ], ['127.0.0.1'], 'no temporary file is left';
};

scene 'a reader always sees a whole line' => sub {
    my $dir    = directory(0777);
    my $server = server();
    my $proxy  = proxy('-l', $dir, $server->address);
    record('u00', dir => $dir, arguments => [ $server->address ]);
    my ($torn, $seen) = (0, 0);
    for my $round (1 .. 15) {
        my @clients = map { $proxy->client } 1 .. 3;
        for my $i (0 .. $#clients) {
            $clients[$i]->send(sprintf "USER u%02d%s\r\nPASS x\r\n", $round, 'y' x (100 * $i));
        }
        wait_until(sub {
            $seen++;
            $torn++ if !-e "$dir/127.0.0.1" || read_file("$dir/127.0.0.1") !~ /\A\d+ 127\.0\.0\.1 u\d\dy* \S+\n\z/;
            return !grep { ($_->{in} =~ tr/\n//) < 3 } @clients;
        });
        $_->close for @clients;
    }
    is $torn, 0, "every one of $seen reads found a whole line";
};

scene 'a planted link is not followed' => sub {
    my $dir    = directory(0777);
    my $victim = write_file(directory() . '/victim', "precious\n", 0666);
    symlink $victim, "$dir/127.0.0.1";
    record('joe', dir => $dir, arguments => [ server()->address ]);
    is read_file($victim), "precious\n", 'its target is untouched';
    ok !-l "$dir/127.0.0.1", 'the link was replaced';
};

scene 'what is planted under the name of the temporary file' => sub {
    my $dir    = directory(0777);
    my $victim = write_file(directory() . '/victim', "precious\n", 0666);
    my $master = master(server => server()->address, client_log => $dir, login_timeout => 20);
    my ($helper) = wait_until(sub { my @found = $master->helpers; @found == 1 && $found[0] }) or die "no helper\n";
    my $temporary = "$dir/.127.0.0.1.$helper";
    my %plant = (
        'a FIFO' => sub { POSIX::mkfifo($temporary, 0666) && chmod(0666, $temporary) or die "mkfifo: $!\n" },
        'a link' => sub { symlink $victim, $temporary or die "symlink: $!\n" },
        'a second name of a file' => sub { link $victim, $temporary or die "link: $!\n" },
        'a left file' => sub { write_file($temporary, "an old line that is longer than the new one will be\n" x 9) },
    );
    for my $name (sort keys %plant) {
        unlink "$dir/127.0.0.1";
        $plant{$name}->();
        my $client = $master->client->login('joe');
        like read_file("$dir/127.0.0.1"), qr/\A\d+ 127\.0\.0\.1 joe \S+\n\z/, "$name: the line is written";
        ok !-l "$dir/127.0.0.1" && -f _, 'to a file of its own';
        is $client->quit, '+OK bye', 'in order';
        is_deeply [ $master->helpers ], [$helper], 'by the same helper';
    }
    is read_file($victim), "precious\n", 'nothing else is changed';
};

scene 'a directory that cannot be written does not fail the login' => sub {
    expect_log(qw(configuration client-log-failed));
    my $server  = server();
    my $blocked = directory(0777);
    mkdir "$blocked/127.0.0.1" or die $!;
    mkdir "$blocked/127.0.0.1/x" or die $!;
    my %broken = (missing => directory() . '/none', 'a file' => write_file(directory() . '/f', ''), 'an obstacle' => $blocked,
        'no permission' => directory(0555));
    for my $name (sort keys %broken) {
        my $client = proxy('-l', $broken{$name}, $server->address)->client;
        like $client->try_login, qr/^\+OK/, "$name: logged in";
        like $client->quit, qr/^\+OK/, "$name: a whole session";
        my @lines = grep { $_->{event} eq 'client-log-failed' && $_->{raw} =~ /\Q$broken{$name}/ } log_lines();
        cmp_ok scalar @lines, '>=', 1, "$name: said in the log" if $name ne 'no permission' || is_root();
    }
    is_deeply [ glob "$blocked/.[!.]*" ], [], 'no temporary file is left';
};

scene 'without an address there is no file' => sub {
    my $dir    = directory(0777);
    my $client = proxy('-l', $dir, server()->address)->client_on_pipes->login;
    $client->quit;
    is_deeply [ glob "$dir/* $dir/.[!.]*" ], [], 'nothing';
};

done;
