# SPDX-License-Identifier: BSD-2-Clause
#
# The files in contrib/ that start the server and rotate its log: they, the example of a configuration
# and the manual agree on where things are written, and the scripts among them are run.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

my $top = "$FindBin::Bin/..";

sub text { return read_file("$top/$_[0]") }

# The values of a key in a systemd unit.
sub unit {
    my ($name, $key) = @_;
    return map { split ' ' } example("systemd/$name") =~ /^\Q$key\E=(.*)$/mg;
}

# A copy of a script with other values for the variables at its top.
sub with_values {
    my ($text, %value) = @_;
    for my $name (sort keys %value) {
        $text =~ s/^\Q$name\E=.*$/$name=$value{$name}/m or die "nothing sets $name\n";
    }
    return executable($text);
}

# ---- where things are written ----

scene 'the units may write where the examples want to' => sub {
    my %base = (Runtime => '/run', Logs => '/var/log', State => '/var/lib');
    my %wanted = map { $_ => 1 }
        (map { text($_) =~ m{(?:pidfile|control|client_log|log) = (/\S+)}g } qw(conf/pop3.proxy.conf man/pop3.proxy.conf.5)),
        (map { text($_) =~ m{-d -p (/\S+)}g } qw(README.md man/pop3.proxy.8)),
        example('init/pop3-proxy') =~ /^pidfile=(.+)$/m;
    cmp_ok scalar keys %wanted, '>', 2, 'paths: ' . join ' ', sort keys %wanted;
    my @writable = map { "$base{$_}/" . (unit('pop3-proxy.service', "${_}Directory"))[0] } sort keys %base;
    for my $path (sort keys %wanted) {
        ok((grep { index($path, "$_/") == 0 } @writable), "$path");
    }
    for my $unit ('pop3-proxy.service', 'pop3-proxy@.service') {
        is_deeply [ unit($unit, 'ProtectSystem') ], ['strict'], "$unit: nothing else";
        my ($pidfile) = example("systemd/$unit") =~ m{^ExecStart=.* -p (\S+)}m;
        like $pidfile, qr{\A/run/\Q@{[ unit($unit, 'RuntimeDirectory') ]}\E/}, "$unit: its pidfile";
        like example("systemd/$unit"), qr{^#\s+log = /var/log/\Q@{[ map { s/%i/NAME/r } unit($unit, 'LogsDirectory') ]}\E/log }m,
            "$unit: its log";
    }
};

# The packages make the directory of the logs for group adm; a log file gets its group.
scene 'group adm may read the log' => sub {
    my ($mode) = text('debian/pop3-proxy.tmpfiles') =~ m{^d /var/log/pop3\.proxy (\d+) root adm -$}m;
    is_deeply [ map { unit($_, 'LogsDirectoryMode') } 'pop3-proxy.service', 'pop3-proxy@.service' ], [ ($mode) x 2 ], "mode $mode";
    $> == 0 or plan(skip_all => 'only root gives a directory away');
    my $logs = directory();
    chown 0, scalar getgrnam('adm'), $logs;
    chmod oct $mode, $logs;
    my $master = master(log => "$logs/log", server => server()->address, -start => 0)->start_only;
    ok wait_until(sub { -s "$logs/log" }), 'the server has begun the log';
    my @log = stat "$logs/log";
    is getgrgid($log[5]), 'adm', 'the group of the log';
    is $log[2] & 07777, 0640, 'which may read it';
};

# A process that says which of these signals it gets, and ends with its input.
sub innocent {
    my ($said) = @_;
    pipe my $in, my $hold or die;
    my ($out, $read) = Pop3Test::Process::collect($said);
    my $process = Pop3Test::Process::spawn(fds => { 0 => $in, 1 => $out },
        command => [ 'sh', '-c', 'for s in USR1 USR2 TERM; do trap "echo $s" $s; done; echo ready; while read -r word; do echo "$word"; done' ]);
    close $out;
    wait_until(sub { $$said eq "ready\n" }) or die "it does not start\n";
    return ($process, $hold);
}

scene 'scripts send no signal to a process that has got the number of a server' => sub {
    my $spec = text('contrib/rpm/pop3-proxy.spec');
    my ($rotate) = example('logrotate/pop3-proxy') =~ /^\s*postrotate\n(.*)^\s*endscript/ms;
    my %script = (logrotate => [$rotate], map { $_->[0] => [ $spec =~ /^%$_->[0]\n(.*?)(?=^%)/ms, $_->[1] ] } [ post => 2 ], [ preun => 0 ]);
    my $run  = directory();
    my $fake = directory();
    write_file("$fake/$_", "#!/bin/sh\n"), chmod 0755, "$fake/$_" for qw(systemctl systemd-sysusers systemd-tmpfiles);
    my $said = '';
    my ($process, $hold) = innocent(\$said);
    write_file("$run/pid", $process->pid . "\n");
    for my $name (sort keys %script) {
        my ($text, @words) = @{ $script{$name} };
        $text =~ s{/run/pop3\.proxy}{$run}g or die "$name has no pidfile\n";
        my $result = run([ 'sh', '-c', "PATH=$fake:\$PATH\n$text", 'sh', @words ], limit => 60);
        is exit_code($result->{status}), 0, $name or diag($result->{err});
        syswrite $hold, "after $name\n";
        ok wait_until(sub { $said =~ /^after $name$/m }), 'the process goes on';
    }
    is $said, join("\n", 'ready', map({ "after $_" } sort keys %script), ''), 'and has got no signal';
    close $hold;
};

scene 'logrotate rotates the logs of the units' => sub {
    my ($logs) = example('logrotate/pop3-proxy') =~ /^(\/[^{]+?)\s*\{/m;
    my ($pidfiles) = example('logrotate/pop3-proxy') =~ /for pidfile in (.+?);/;
    my $of = sub { join ' ', map { s/%i/*/r } map { "$_[0]/" . (unit($_, $_[1]))[0] . "/$_[2]" } 'pop3-proxy.service', 'pop3-proxy@.service' };
    is $logs, $of->('/var/log', 'LogsDirectory', 'log'), 'logs';
    is $pidfiles, $of->('/run', 'RuntimeDirectory', 'pid'), 'pidfiles';
};

# ---- what the build has filled in ----

scene 'the examples name the installed program' => sub {
    my @names = map { s{.*/contrib/}{}r =~ s/\.in\z//r } glob "$top/contrib/*/*.in";
    cmp_ok scalar @names, '>', 5, 'there are such examples';
    my %programs;
    for my $name (@names) {
        my $text = example($name);
        unlike $text, qr/@\w+@/, "$name: every path is filled in";
        $programs{$_}++ for $text =~ m{(/[^\s=]*/s?bin/pop3\.proxy)(?= |$)}mg;
    }
    my ($program, @others) = sort keys %programs;
    like $program, qr{\A/.+/s?bin/pop3\.proxy\z}, 'a whole path';
    is_deeply \@others, [], 'the same in all';
};

scene 'the packages are built with every library that configure knows' => sub {
    my $configure = text('configure.ac');
    my %libraries = map { $_ => 1 } $configure =~ /\[(lib[a-z0-9-]+-dev)\]/g, $configure =~ /install (lib[a-z0-9-]+-dev) for it/g;
    cmp_ok scalar keys %libraries, '>', 6, 'libraries: ' . join ' ', sort keys %libraries;
    for my $path ('debian/control', 'contrib/container/Containerfile') {
        my %there = map { $_ => 1 } text($path) =~ /\b(lib[a-z0-9-]+-dev)\b/g;
        is_deeply [ grep { !$there{$_} } sort keys %libraries ], [], $path;
    }
    my ($version) = $configure =~ /^AC_INIT\(\[[^]]*\], \[([0-9.]+)\]\)/m;
    like text('debian/changelog'), qr/\Apop3-proxy \(\Q$version\E-/, 'debian/changelog has the version';
    like text('contrib/rpm/pop3-proxy.spec'), qr/^Version: +\Q$version\E$/m, 'so has the RPM package';
};

# ---- what runs ----

scene 'the init script' => sub {
    my $directory = directory();
    my $conf      = "$directory/conf";
    my $logs      = "$directory/new/logs";
    my $pidfile   = "$directory/new/run/pid";
    my $sound     = "[proxy]\nlog = $logs/log\n[instance a]\nlisten = 127.0.0.1:0\nserver = 127.0.0.1\nworkers = 1\n";
    my $script    = with_values(example('init/pop3-proxy'),
        program => program(), conf => $conf, pidfile => $pidfile, logs => $logs);
    my $does = sub {
        my ($word, $code, $out, $err) = @_;
        my $result = run([ $script, $word ], limit => 20);
        is exit_code($result->{status}), $code, "$word: exit status";
        like $result->{out}, $out, "$word: output";
        like $result->{err}, $err // qr/\A\z/, "$word: standard error";
    };
    my $logged = sub { my ($event) = @_; return wait_until(sub { read_file("$logs/log") =~ /event=$event / }, 5) };
    write_file($conf, $sound);
    $does->('status', 3, qr/\Apop3\.proxy is not running\n\z/);
    $does->('reload', 7, qr/\A\z/, qr/\Apop3\.proxy is not running\n\z/);
    $does->('stop', 0, qr/\A\z/);
    $does->('start', 0, qr/\Apop3\.proxy started\n\z/);
    my $pid = read_file($pidfile) + 0;
    $does->('start', 0, qr/\Apop3\.proxy is already running\n\z/);
    $does->('status', 0, qr/\Apop3\.proxy is running, process $pid\n\z/);
    $does->('reload', 0, qr/\A\z/);
    ok $logged->('reloaded'), 'reloaded';
    write_file($conf, "$sound\nnonsense = 1\n");
    $does->($_, 78, qr/\A\z/, qr/nonsense = 1: unknown key/) for qw(reload restart);
    write_file($conf, $sound);
    my ($rotate) = example('logrotate/pop3-proxy') =~ /^\s*postrotate\n(.*)^\s*endscript/ms;
    $rotate =~ s{/run/pop3\.proxy}{$directory/new/run}g;
    is exit_code(run([ 'sh', '-c', $rotate ])->{status}), 0, 'what logrotate runs';
    ok $logged->('log-reopened'), 'reopens the log';
    $does->('restart', 0, qr/\Apop3\.proxy stopped\npop3\.proxy started\n\z/);
    isnt read_file($pidfile) + 0, $pid, 'another process';
    kill 'KILL', $pid = read_file($pidfile) + 0;
    ok wait_until(sub { !is_alive($pid) }, 5), 'killed';
    write_file($pidfile, "$$\n");
    $does->('status', 3, qr/\Apop3\.proxy is not running\n\z/);
    $does->('start', 0, qr/\Apop3\.proxy started\n\z/);
    $does->('stop', 0, qr/\Apop3\.proxy stopped\n\z/);
    ok !-e $pidfile, 'the pidfile is gone';
};

done;
