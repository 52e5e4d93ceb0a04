# SPDX-License-Identifier: BSD-2-Clause
#
# USR2 with a new binary that does not come up: the log of the old one says how it ended and what it said,
# because an operator has nothing else. And what a binary that does come up says is not lost either.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Fcntl qw(O_RDWR);
use File::Copy ();
use IO::Socket::UNIX;
use POSIX qw(mkfifo);

# A copy of the program, to be replaced.
sub copy {
    my $path = directory(0755) . '/pop3.proxy';
    File::Copy::copy(program(), $path) or die $!;
    chmod 0755, $path or die $!;
    return $path;
}

sub replace {
    my ($path, $text) = @_;
    write_file("$path.new", $text, 0755);
    rename "$path.new", $path or die $!;
    return;
}

# USR2; the text of the event.
sub failed_upgrade {
    my ($master) = @_;
    return $master->after(sub { $master->signal('USR2') }, 'upgrade-failed')->{f}{text} =~ s/\A"|"\z//gr;
}

scene 'the log says how a new binary ended and what it said' => sub {
    expect_log('upgrade-failed');
    my $path   = copy();
    my $fifo   = directory() . '/fifo';
    POSIX::mkfifo($fifo, 0600) or die "mkfifo: $!\n";
    my $master = master(server => server()->address, -program => $path, -any_stderr => 1);
    my @case   = (
        [ 'a missing library', "echo 'libfoo.so.1: cannot open shared object file' >&2; exit 127",
            qr/exited with status 127: libfoo\.so\.1: cannot open shared object file/ ],
        [ 'no words', 'exit 3', qr/exited with status 3/ ],
        [ 'status 0', 'exit 0', qr/exited with status 0/ ],
        [ 'several lines', "echo one >&2; echo two >&2; exit 1", qr/exited with status 1: one \| two/ ],
        [ 'words without end', 'i=0; while [ $i -lt 3000 ]; do echo "word $i" >&2; i=$((i+1)); done; exit 1',
            qr/exited with status 1: word 0 \| word 1 \|.*\.\.\./ ],
        [ 'control octets', q{printf 'a\033[2Jb' >&2; exit 1}, qr/exited with status 1: a\?\[2Jb/ ],
        [ 'a signal', 'kill -KILL $$', qr/was ended by signal 9/ ],
        [ 'a child that holds standard error', "cat <$fifo >/dev/null & echo gone >&2; exit 4", qr/exited with status 4: gone/ ],
    );
    for my $case (@case) {
        my ($name, $code, $pattern) = @$case;
        replace($path, "#!/bin/sh\n$code\n");
        like failed_upgrade($master), qr/\Athis one goes on: the new binary $pattern\z/, $name;
    }
    open my $end, '>', $fifo or die "$fifo: $!\n";     # the child has waited for it
    close $end;
    like $master->stderr, qr/libfoo\.so\.1.*one\ntwo\nword 0\n.*word 2999\n/s, 'standard error has it all';
    unlink $path or die $!;
    like failed_upgrade($master), qr/exited with status 127: pop3\.proxy: \Q$path\E: No such file or directory/, 'no program';
    is $master->client->login->quit, '+OK bye', 'the old one serves on';
    is_deeply [ grep { !Pop3Test::Master::is_worker($_) && $_ != $master->status_pid } $master->children ], [ $master->helpers ], 'no process is left over'
        if is_root();
};

scene 'mistakes in the settings' => sub {
    expect_log(qw(upgrade-failed configuration));
    my $pidfile = directory() . '/pid';
    my $master  = master(server => server()->address, pidfile => $pidfile, -any_stderr => 1);
    my $sound   = read_file($master->{path});
    my $lines   = $sound =~ tr/\n//;
    my $taken   = server()->address;
    $master->write_raw("$sound\nnonsense\n");
    like failed_upgrade($master), qr/exited with status 78: pop3\.proxy: \Q$master->{path}\E:@{[ $lines + 2 ]}: nonsense/, 'a line';
    $master->write_raw("$sound\n[instance taken]\nlisten = $taken\n");
    like failed_upgrade($master), qr/exited with status 71: pop3\.proxy: \S+: listen = \Q$taken\E: Address already in use/, 'an address';
    $master->write_raw($sound =~ s/^(\[proxy\]\n)/$1log = \/no\/such\/directory\/log\n/mr);
    like failed_upgrade($master), qr/exited with status 71: pop3\.proxy: .*cannot open the log file/, 'the log';
};

scene 'workers that die' => sub {
    my $wrapper = without_setuid() or plan(skip_all => 'not run by root, or no setpriv');
    expect_log(qw(upgrade-failed worker-died helper-died status fork-throttled privileges));
    my $path   = copy();
    my $master = master(server => server()->address, -program => $path, -any_stderr => 1);
    replace($path, "#!/bin/sh\nexec @$wrapper @{[ program() ]} \"\$@\"\n");
    my $event = $master->after(sub { $master->signal('USR2') }, 'upgrade-failed');
    like $event->{f}{text}, qr/exited with status 71: pop3\.proxy: instance main: no worker could start/, 'said';
    is $master->client->login->quit, '+OK bye', 'the old one serves on';
};

scene 'standard error of a binary that comes up' => sub {
    my $path   = copy();
    my $master = master(server => server()->address, log => 'stderr', -program => $path, -any_stderr => 1, -start => 0);
    $master->start_only;
    my $count  = sub { scalar(() = $master->stderr =~ /event=$_[0] /g) };
    ok wait_until(sub { $count->('started') && $master->status_pid }), 'started';
    $master->signal('USR2');
    ok wait_until(sub { $count->('started') == 2 && $count->('stopped') == 1 }), 'the new one has taken over';
    my ($new) = (split /\n/, $master->stderr =~ s/^(?!.*event=started).*\n//gmr)[1] =~ /pop3\.proxy\[(\d+)\]/;
    my ($address) = $master->stderr =~ /event=listening .*?text="([^"]+)"/;
    $master->follow($new);
    is $master->client(to => $address)->login->quit, '+OK bye', 'it serves';
    ok wait_until(sub { $count->('session') == 1 }), 'its workers write where the old one wrote';
    my $stderr = readlink "/proc/$new/fd/2";
    like $stderr, qr/^pipe:/, 'the pipe of the test';
    is_deeply [ grep { /^pipe:/ && $_ ne $stderr } map { readlink("/proc/$new/fd/$_") // () } 3 .. 100 ], [], 'and no other pipe is left';
};

# systemd takes a new main process only if that is its own child by then.
scene 'the service manager hears of the new binary when that is an orphan' => sub {
    my $socket  = directory(0777) . '/notify';
    my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $socket) or die $!;
    $manager->blocking(0);
    my @said;
    my $hear = sub { while (defined(recv $manager, my $text, 4096, 0)) { push @said, $text } return @said };
    my $path = copy();
    my $master = master(server => server()->address, -program => $path, -env => { NOTIFY_SOCKET => $socket });
    ok wait_until(sub { grep { /^MAINPID=@{[ $master->pid ]}$/m } $hear->() }), 'the first one';
    my $fifo = directory() . '/go';
    mkfifo($fifo, 0600) or die $!;
    sysopen my $go, $fifo, O_RDWR or die $!;
    replace($path, "#!/bin/sh\nread word <$fifo\nexec @{[ program() ]} \"\$@\"\n");
    $master->after(sub { $master->signal('USR2') }, 'upgrade');
    my $old = $master->pid;
    my %known = map { $_->{pid} => 1 } log_lines('started');
    kill 'STOP', $old;
    syswrite $go, "go\n";
    my $new = wait_until(sub { (grep { !$known{ $_->{pid} } } log_lines('started'))[0] })->{pid};
    my $parent = Pop3Test::Master::facts($new)->{PPid};
    is Pop3Test::Master::facts($parent)->{PPid}, $old, 'it has a parent that is a child of the old one';
    ok $_->login->quit, 'it serves' for map { $master->client } 1 .. 10;
    is_deeply [ grep { /^MAINPID=$new$/m } $hear->() ], [], 'nothing is said of it yet';
    kill 'CONT', $old;
    ok wait_until(sub { grep { /^MAINPID=$new$/m } $hear->() }), 'now it is said';
    isnt Pop3Test::Master::facts($new)->{PPid}, $parent, 'it is an orphan';
    $master->follow($new);
};

done;
