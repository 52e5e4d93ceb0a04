# SPDX-License-Identifier: BSD-2-Clause
#
# Real superservers start the program: tcpserver, socat (with a socket pair and with pipes), xinetd
# and systemd's activation helper, each if it is installed; tcpserver and xinetd with their files of
# contrib/.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::IP;
use Pop3Test::Process qw(spawn free_port);

my $log_path = directory() . '/none';
my %environment = (POP3_PROXY_SYSLOG => $log_path);

sub connect_to {
    my ($port) = @_;
    my $socket = wait_until(sub { IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) })
        or die "nobody listens on $port\n";
    return Pop3Test::Client->new($socket, name => 'client', tcp => 1);
}

# Two sessions one after the other and two at once through the superserver.
sub serves {
    my ($port, $server) = @_;
    my @client = map { connect_to($port)->login } 1 .. 2;
    for my $client (@client, connect_to($port)->login) {
        my ($status, $body) = $client->fetch('RETR 1');
        is $body, $server->{messages}[0], 'a message';
        is $client->quit, '+OK bye', 'QUIT and the end';
    }
    my $client = connect_to($port);
    $client->send("USER joe\r\nPASS x\r\nSTAT\r\nQUIT\r\n")->half_close;
    like $client->rest, qr/\+OK 1 \d+\r\n\+OK bye\r\n\z/, 'half-closed';
    return;
}

sub with_superserver {
    my ($name, $start) = @_;
    scene $name => sub {
        my $path = installed($name =~ s/ .*//r) or plan(skip_all => 'is not installed');
        my $server = server(messages => [ message(30_000) =~ s/^\.//mgr ]);
        my ($process, $port) = $start->($path, $server->address);
        my $fine = eval { serves($port, $server); 1 };
        my $error = $@;
        $process->destroy;
        die $error if !$fine;
    };
    return;
}

# Starts it with its output in a file and waits for a line that names the port.
sub start_and_read {
    my ($pattern, $fd, @command) = @_;
    my $file = directory() . '/out';
    open my $out, '>', $file or die $!;
    my $process = spawn(command => \@command, fds => { $fd => $out }, env => \%environment);
    my $port = wait_until(sub { read_file($file) =~ $pattern ? $1 : 0 });
    return ($process, $port) if $port;
    $process->destroy;
    die "$command[0]: " . read_file($file);
}

# A file of contrib/ with other values: pairs of the old and the new text.
sub contrib {
    my ($name, @pairs) = @_;
    my $text = example($name) =~ s{\S+/sbin/pop3\.proxy}{program()}egr;
    while (my ($from, $to) = splice @pairs, 0, 2) {
        $text =~ s/\Q$from\E/$to/ or die "contrib/$name has no $from\n";
    }
    return $text;
}

with_superserver('tcpserver' => sub {
    my ($path, $address) = @_;
    my $script = executable(contrib('tcpserver/run', 'exec tcpserver' => "exec $path -1 -l0", '0 110' => '127.0.0.1 0',
        '-u 65535 -g 65534' => '',      # that user may not execute what is built here
        'mail.example.net' => $address));
    return start_and_read(qr/^(\d+)$/m, 1, $script);
});

for my $way ('a socket pair', 'pipes') {
    my $option = $way eq 'pipes' ? ',pipes' : '';
    with_superserver("socat with $way" => sub {
        my ($path, $address) = @_;
        my $script = executable("#!/bin/sh\nexec " . program() . " $address\n");
        return start_and_read(qr/listening on AF=2 127\.0\.0\.1:(\d+)/, 2, $path, '-d', '-d', '-t', 1,
            'TCP4-LISTEN:0,bind=127.0.0.1,fork', "EXEC:$script$option");
    });
}

with_superserver('xinetd' => sub {
    my ($path, $address) = @_;
    my $name = getpwuid $> or plan(skip_all => 'the user has no name');
    my $port = free_port();
    my $dir  = directory();
    my $own  = join "\n    ", '{', 'type = UNLISTED', "port = $port", 'bind = ::ffff:127.0.0.1', "env = POP3_PROXY_SYSLOG=$log_path";
    my $conf = write_file("$dir/conf", contrib('xinetd/pop3-proxy', '{' => $own, nobody => $name,
        'mail.example.net' => $address));
    return (spawn(command => [ $path, '-dontfork', '-f', $conf, '-filelog', "$dir/log", '-pidfile', "$dir/pid" ]), $port);
});

with_superserver('systemd-socket-activate' => sub {
    my ($path, $address) = @_;
    my $port = free_port();
    open my $null, '>', '/dev/null' or die $!;
    my @command = ($path, '-l', "127.0.0.1:$port", '--accept', '--inetd', '-E', "POP3_PROXY_SYSLOG=$log_path");
    return (spawn(command => [ @command, program(), $address ], fds => { 1 => $null, 2 => $null }), $port);
});

done;
