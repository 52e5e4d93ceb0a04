# SPDX-License-Identifier: BSD-2-Clause
#
# The processes of a test, and what /proc says about any process. A child is started with chosen
# descriptors in its own process group; the loop reaps it; it is killed by its process id at the
# latest when the test ends. Where the system allows it the test is a child subreaper, so that it
# also sees the processes that a child leaves running.

package Pop3Test::Process;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(F_DUPFD);
use IO::Handle ();
use IO::Socket::IP;
use List::Util qw(max);
use POSIX qw(WNOHANG dup2);
use Pop3Test::Loop qw(watch_read unwatch wait_until each_turn now);

our @EXPORT_OK = qw(spawn fork_off run installed collect free_port descendants orphans is_alive facts descriptors
    count_in_memory exit_code);

my %running;    # pid => object
my $owner = $$;

each_turn(\&reap);

use constant { PR_SET_PDEATHSIG => 1, PR_SET_CHILD_SUBREAPER => 36 };

# Linux only; elsewhere it does nothing and returns false.
sub _prctl {
    my ($option, $value) = @_;
    my %prctl = (x86_64 => 157, aarch64 => 167);
    my $number = $^O eq 'linux' && length pack('P', '') == 8 && $prctl{ (POSIX::uname())[4] };
    return $number && eval { syscall($number, $option, $value, 0, 0, 0) == 0 };
}

# Without it orphans go to init and are not seen.
our $is_subreaper = _prctl(PR_SET_CHILD_SUBREAPER, 1);

# A program under AddressSanitizer takes as long to look for leaks, at its end, as for all the rest.
# So one start in four does, another one each day; all do where ASAN_OPTIONS has detect_leaks=1.
{
    my $starts = int(time / 86_400);

    sub _choose_leak_check {
        my @options = grep { $_ ne 'detect_leaks=0' } split /:/, $ENV{ASAN_OPTIONS} // '';
        my $is_chosen = ++$starts % 4 == 0 || grep { $_ eq 'detect_leaks=1' } @options;
        push @options, 'detect_leaks=0' if !$is_chosen;
        $ENV{ASAN_OPTIONS} = join ':', @options;
        return;
    }
}

# spawn(command => [...], fds => {0 => $fh, ...}, env => {...}, unset => [...],
# before => sub {...}): the process, already running. `before' runs in the
# child just before the exec.
sub spawn {
    my (%option) = @_;
    _choose_leak_check();
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;
    if (!$pid) {
        eval { _child(\%option); 1 } or syswrite STDERR, "child: $@";
        POSIX::_exit(127);
    }
    my $self = bless { pid => $pid, name => $option{command}[0] }, __PACKAGE__;
    $running{$pid} = $self;
    return $self;
}

sub _child {
    my ($option) = @_;
    $SIG{$_} = 'DEFAULT' for qw(CHLD ALRM PIPE INT TERM HUP QUIT USR1 USR2);
    POSIX::setpgid(0, 0);
    my $fds = $option->{fds} || {};
    # Copy to high numbers first: another handle may use a number that is wanted.
    my %copy = map { $_ => fcntl($fds->{$_}, F_DUPFD, 40) } keys %$fds;
    dup2($copy{$_}, $_) for keys %copy;
    POSIX::close($_) for values %copy;
    if (!$fds->{0} && !$option->{no_stdin}) {
        my $null = POSIX::open('/dev/null', POSIX::O_RDONLY());
        dup2($null, 0);
        POSIX::close($null) if $null;
    }
    delete @ENV{ @{ $option->{unset} || [] } };
    my $env = $option->{env} || {};
    $ENV{$_} = $env->{$_} for keys %$env;
    $option->{before}->() if $option->{before};
    { exec { $option->{command}[0] } @{ $option->{command} } };
    die "exec $option->{command}[0]: $!\n";
}

# Both ends of a pipe, first the one for a child to write to. The loop appends what arrives to
# $$text, and closes its own end when the child's is closed.
sub collect {
    my ($text) = @_;
    pipe my $read, my $write or die "pipe: $!\n";
    $read->blocking(0);
    watch_read($read, sub {
        my $got = sysread $read, $$text, 65536, length $$text;
        return if $got || !defined $got && ($!{EAGAIN} || $!{EINTR});
        unwatch($read);
        close $read;
    });
    return ($write, $read);
}

# The path of a program; undef when it is not installed.
sub installed {
    my ($name) = @_;
    return (grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin')[0];
}

my $ports_tried = 0;

# A port of 127.0.0.1 for a program that must be told one. It is below the ports that the kernel
# chooses, so that no other test gets it before the program does.
sub free_port {
    open my $file, '<', '/proc/sys/net/ipv4/ip_local_port_range';
    my ($lowest) = $file ? <$file> =~ /(\d+)/ : 0;
    for (1 .. 100) {
        my $port = $lowest > 20_000 ? 10_000 + ($$ * 37 + $ports_tried++) % ($lowest - 10_000) : 0;
        my $socket = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $port, Listen => 1, Proto => 'tcp') or next;
        return $socket->sockport;
    }
    die "no free port: $@\n";
}

# Runs $code in a child: a process object, for destroy(). The child ends with the test, whatever ends
# that: it holds the test's output, and as long as anybody does, the runner waits for more of it.
sub fork_off {
    my ($name, $code) = @_;
    my $pid = fork // die "fork: $!\n";
    return adopt($pid, $name) if $pid;
    _prctl(PR_SET_PDEATHSIG, POSIX::SIGKILL());
    $SIG{$_} = 'DEFAULT' for qw(CHLD ALRM PIPE INT TERM HUP QUIT USR1 USR2);
    POSIX::setpgid(0, 0);
    eval { $code->(); 1 } or syswrite STDERR, "$name: $@";
    POSIX::_exit(0);
}

# Closes what a child has inherited, except for the standard descriptors and these. Without that a
# fake server goes on to listen when the test closes it.
sub keep_only {
    my %kept = map { $_ => 1 } 0 .. 2, @_;
    POSIX::close($_) for grep { !$kept{$_} } map { m{(\d+)\z} } glob '/proc/self/fd/*';
    return;
}

# A child that was forked elsewhere.
sub adopt {
    my ($pid, $name) = @_;
    return $running{$pid} = bless { pid => $pid, name => $name }, __PACKAGE__;
}

sub pid { return $_[0]{pid} }

sub reap {
    for my $pid (keys %running) {
        next if waitpid($pid, WNOHANG) != $pid;
        my $self = delete $running{$pid};
        $self->{status} = $?;
        $self->{ended}  = now();
    }
    return;
}

# The wait status when the process ends within the limit, else undef.
sub wait {
    my ($self, $limit) = @_;
    wait_until(sub { defined $self->{status} }, $limit);
    return $self->{status};
}

# A wait status in words: the exit status, or the signal.
sub exit_code {
    my ($status) = @_;
    return !defined $status ? 'still running' : $status & 127 ? 'signal ' . ($status & 127) : $status >> 8;
}

sub is_running { my ($self) = @_; reap(); return !defined $self->{status} }

sub signal {
    my ($self, $signal) = @_;
    kill $signal, $self->{pid} if $self->is_running;
    $self->{signalled} = 1;
    return $self;
}

# Kills it with its process group.
sub destroy {
    my ($self) = @_;
    return if !$self->is_running;
    kill 'KILL', -$self->{pid}, $self->{pid};
    $self->wait(5);
    return;
}

sub _processes {
    my %found;
    for my $dir (glob '/proc/[0-9]*') {
        open my $file, '<', "$dir/stat" or next;
        my ($pid, $name, $state, $parent)
            = do { local $/; <$file> // '' } =~ /^(\d+) \((.*)\) (\S) (\d+)/s or next;
        $found{$pid} = { pid => $pid, name => $name, state => $state, parent => $parent };
    }
    return \%found;
}

# What /proc/PID/status says, as a hash; empty when the process is gone.
sub facts {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/status" or return {};
    local $/;
    my $text = <$file> // '';
    return { $text =~ /^(\w+):[ \t]*(.*?)[ \t]*$/mg };
}

# What the open descriptors of a process lead to, one text each.
sub descriptors {
    my ($pid) = @_;
    my @all = map { readlink($_) // '' } glob "/proc/$pid/fd/*";
    return @all;
}

# How often each word is in the memory of a process.
sub count_in_memory {
    my ($pid, @words) = @_;
    my %count  = map { $_ => 0 } @words;
    my $longest = max(map { length } @words);
    open my $maps, '<', "/proc/$pid/maps" or die "memory of $pid: $!\n";
    open my $memory, '<:raw', "/proc/$pid/mem" or die "memory of $pid: $!\n";
    while (my $row = <$maps>) {
        my ($from, $to, $readable, $name) = $row =~ /^(\w+)-(\w+) (.)\S+ \S+ \S+ \S+\s*(.*)/ or next;
        next if $readable ne 'r' || $name =~ /^\[v/;
        no warnings 'portable';         # 64-bit numbers
        my ($at, $end, $tail) = (hex $from, hex $to, '');
        while ($at < $end) {
            my $size = $end - $at < 1 << 20 ? $end - $at : 1 << 20;
            sysseek $memory, $at, 0 or last;
            my $got = sysread $memory, my $octets, $size or last;
            my $piece = $tail . $octets;
            for my $word (@words) {
                $count{$word}++ while $piece =~ /\Q$word\E/g;
            }
            $tail = substr $piece, -($longest - 1);
            $at += $got;
        }
    }
    return \%count;
}

# The process ids of $pid and of all its descendants.
sub descendants {
    my ($pid) = @_;
    my $all = _processes();
    my %children;
    push @{ $children{ $_->{parent} } }, $_->{pid} for values %$all;
    my @found = grep { $all->{$_} } $pid;
    for (my $i = 0; $i < @found; $i++) {
        push @found, @{ $children{ $found[$i] } || [] };
    }
    return @found;
}

# Processes that became ours because their parent ended. Zombies among them are reaped and
# not counted.
sub orphans {
    my $all = _processes();
    my @left;
    for my $process (grep { $_->{parent} == $owner && !$running{ $_->{pid} } } values %$all) {
        next if $process->{state} eq 'Z' && waitpid($process->{pid}, WNOHANG) == $process->{pid};
        push @left, $process;
    }
    return @left;
}

# A zombie counts as gone.
sub is_alive {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/stat" or return kill 0, $pid;
    my $stat = do { local $/; <$file> } // return 0;
    return $stat !~ /^\d+ \(.*\) [ZX] /s;
}

# Runs a command to its end or the limit: {status, out, err, late}. The loop goes on meanwhile,
# so the command can talk to servers of this test.
sub run {
    my ($command, %option) = @_;
    my $limit = delete $option{limit} // 30;
    my %got = (out => '', err => '');
    my %fds = %{ delete $option{fds} || {} };
    my @read;
    for my $number (grep { !$fds{$_} } 1, 2) {
        ($fds{$number}, my $read) = collect(\$got{ $number == 1 ? 'out' : 'err' });
        push @read, $read;
    }
    my $process = spawn(command => $command, fds => \%fds, %option);
    %fds = ();
    defined $process->wait($limit) or $got{late} = 1;
    $process->destroy;
    wait_until(sub { !grep { defined fileno $_ } @read }, 2);       # a grandchild may keep them open
    unwatch($_) for @read;
    return { %got, status => $process->{status}, pid => $process->{pid} };
}

END {
    if ($$ == $owner) {
        local $?;
        for my $pid (keys %running) {
            kill 'KILL', -$pid, $pid;
            waitpid $pid, 0;
        }
    }
}

1;
