# SPDX-License-Identifier: BSD-2-Clause
#
# The command line: a mistake gives exit status 64 and exactly one line on standard error that names
# it, before a client is told anything. --help and --version answer, and every option of the manual
# works in its short form.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tables qw(conf_keys rows);

sub try { return run([ program(), @_ ], limit => 10) }

sub is_usage_error {
    my ($name, $named, @arguments) = @_;
    my $result = try(@arguments);
    is exit_code($result->{status}), 64, "$name: exit status";
    like $result->{err}, qr/\A[^\n]+\n\z/, "$name: one line";
    like $result->{err}, $named, "$name: names the mistake";
    is $result->{out}, '', "$name: nothing on standard output";
    return;
}

scene 'a command without a server, at a terminal' => sub {
    installed('script') or plan(skip_all => 'script is not installed');
    for my $word (qw(status top trace servers explain)) {
        my $result = run([ 'script', '-qec', program() . " $word", '/dev/null' ], limit => 20);
        is exit_code($result->{status}), 64, "$word is no session";
        like $result->{out}, qr/\Apop3\.proxy: $word needs (-f FILE|a word of the log)[^\n]*\r\n\z/, 'what it needs';
    }
};

scene 'usage errors' => sub {
    is_usage_error('no operand',            qr/server/i);
    is_usage_error('two operands',          qr/b\.example/, 'a.example', 'b.example');
    is_usage_error('an unknown option',     qr/X/,  '-X', 'a.example');
    is_usage_error('an unknown option',     qr/: unknown option -X;/, '-eX', 'a.example');
    is_usage_error('an unknown long option', qr/: unknown option --no-such-thing; see/, '--no-such-thing=1', 'a.example');
    is_usage_error('a misspelt long option', qr/: unknown option --login-timeuot; did you mean --login-timeout\?/, '--login-timeuot', 1, 'a.example');
    is_usage_error('an ambiguous beginning', qr/: --tls-c is ambiguous/, '--tls-c', 'x', 'a.example');
    is_usage_error('a value for an option without one', qr/: --json takes no value$/, '--json=x', 'a.example');
    is_usage_error('-s without -e',         qr/-e|select-server/, '-s', 'a.example', 'b.example');
    is_usage_error('an option without its argument', qr/-?a|acp/, '-a');
    is_usage_error("-t $_", qr/timeout|-t/, '-t', $_, 'a.example')
        for '0', '-1', '10x', 'x', '', ' ', '99999999999999999999', '1.5', '0x10';
    is_usage_error('an empty -c',           qr/delimiter|-c/, '-e', '-c', '', 'a.example');
    is_usage_error('an empty operand',      qr/server|operand/i, '');
    is_usage_error("the operand $_", qr/\Q$_\E|port/, $_)
        for 'a.example:0', 'a.example:65536', 'a.example:x', 'a.example:', '[::1', '[::1]x';
    is_usage_error('- without -e', qr/-e|server/, '-');
};

scene '--help when standard output is full' => sub {
    plan(skip_all => 'no /dev/full') if !-e '/dev/full';
    my $file = write_file(directory() . '/conf', "[proxy]\nlog = stderr\n[instance a]\nlisten = 127.0.0.1:1110\nserver = 127.0.0.1\n");
    for my $arguments ([qw(--help)], [qw(-V)], [ '-T', '-f', $file ]) {
        open my $full, '>', '/dev/full' or die $!;
        my $result = run([ program(), @$arguments ], fds => { 1 => $full }, limit => 10);
        is exit_code($result->{status}), 74, "@$arguments: exit status";
        like $result->{err}, qr/\Apop3\.proxy: standard output: No space left on device\n\z/, "@$arguments: said";
    }
};

scene 'options that need or exclude each other' => sub {
    my $file = '/nonexistent/pop3.proxy.conf';
    is_usage_error("$_->[0] without a server of our own", qr/\Q$_->[0]\E .*-b ADDRESS:PORT.*-f FILE/, @$_, 'a.example')
        for ['-d'], [ '-n', 3 ], [ '-p', '/tmp/x' ], [ '--max-workers', 3 ], [ '--control', '/tmp/x' ], [ '--log', 'stderr' ];
    is_usage_error("-b $_", qr/^pop3\.proxy: -b: listen = \Q$_\E: must be/, '-b', $_, 'a.example')
        for 'here', ':110', '127.0.0.1', '*:x';
    is_usage_error("--$_ is -b", qr/: listen = x: must be/, "--$_", 'x', 'a.example') for qw(bind listen);
    is_usage_error("a group: @$_", qr/: server = group:x: groups need -f FILE/, @$_)
        for ['group:x'], [ '--server', 'group:x' ], [ '-b', '127.0.0.1:0', 'group:x' ];
    is_usage_error('-b without a server', qr/no server given/, '-b', '127.0.0.1:0');
    is_usage_error("$_->[0] beside -f", qr/^pop3\.proxy: \Q$_->[0]\E.*: set it in \Q$file\E: \w+ = VALUE$/, '-f', $file, @$_)
        for ['-e'], ['-m'], [ '-t', 5 ], [ '-a', '/bin/true' ], [ '--max-workers', 3 ], [ '--control', '/tmp/x' ];
    is_usage_error('-b beside -f', qr/set it in \Q$file\E, as listen of an \[instance NAME\]/, '-f', $file, '-b', '127.0.0.1:0');
    is_usage_error('a server beside -f', qr/unknown command "a\.example": use one of status, top, metrics, servers/, '-f', $file, 'a.example');
    is_usage_error('--control alone', qr/--control needs a command \(status, top, metrics, servers, .*\); or start a server/,
        '--control', '/tmp/x');
    is_usage_error('two files',          qr/only one file is allowed/, '-f', $file, '-f', $file);
    is_usage_error('an empty file',      qr/-f needs/, '-f', '');
    is_usage_error('too much',           qr/unexpected argument "x" after status/, '-f', $file, 'status', 'x');
    is_usage_error('--json for top',     qr/unexpected argument "--json" after top/, '-f', $file, 'top', '--json');
    is_usage_error('--json for nothing', qr/--json works only with/, @$_) for [ '--json', 'a.example' ], [ '-f', $file, '--json' ];
    is_usage_error('-d for a command',   qr/-d works only when/, '-d', '-f', $file, 'status');
    is_usage_error('-T for a command',   qr/-T only checks/, '-T', '-f', $file, 'status');
};

scene 'a mistake with a line break in it' => sub {
    is_usage_error('a line break in an option', qr/./, "-t", "1\n2", 'a.example');
    is_usage_error('a line break in the prefix', qr/./, "-v", "A\nB", 'a.example');
};

scene '--help and --version' => sub {
    for my $option ('-h', '--help') {
        my $result = try($option);
        is exit_code($result->{status}), 0, "$option: exit status";
        is $result->{err}, '', "$option: nothing on standard error";
        like $result->{out}, qr/^\s*-$_\b/m, "$option: explains -$_" for qw(b d f h n p u T V);
        cmp_ok scalar(split /\n/, $result->{out}), '<=', 45, "$option: fits on a screen";
        unlike $result->{out}, qr/^.{80}/m, "$option: no line is too long";
    }
    for my $option ('-V', '--version') {
        my $result = try($option);
        is exit_code($result->{status}), 0, "$option: exit status";
        is $result->{err}, '', "$option: nothing on standard error";
        like $result->{out}, qr/\Apop3\.proxy \S+\n[^\n]*\n/, "$option: version and a line of features";
        my @unknown = grep { !/^(?:capa|pipelining|resp-codes|utf8|tls|stls|server-tls|auth-(?:plain|login|external)
                |xoauth2|oauthbearer|proxy-protocol|send-proxy-protocol|xclient|metrics|systemd|seccomp|landlock|cdb|regexp|auth-http|groups)$/x }
            map { split /[\s,]+/ } $result->{out} =~ /\A[^\n]*\n(?:features:? *)?([^\n]*)/;
        is "@unknown", '', "$option: only known features";
    }
};

scene '--help names groups, which name every key, and explains one' => sub {
    my $overview = try('--help')->{out};
    my $all      = try('--help', 'all')->{out};
    unlike $all, qr/^.{80}/m, 'no line of all is too long';
    my ($list) = $overview =~ /^More, with --help NAME: .*? or a group:\n(.*?)\n\n/ms;
    my @groups = $list =~ /^  (\S+)/mg;
    is $groups[-1], 'commands', 'the last group';
    my %of = map { $_ => try('--help', $_)->{out} } @groups;
    is index($all, $of{$_} =~ s/\n\z//r) >= 0, 1, "$_ is a part of all" for @groups;
    my $grouped = join '', map { $of{$_} } grep { $_ ne 'commands' } @groups;
    my ($turn, %seen) = (0);
    for my $key (grep { $_->{name} ne 'server' } conf_keys()) {
        my $is_of_group = $key->{scope} eq 'GROUP';
        my $option = $key->{name} eq 'listen' ? 'bind' : $is_of_group ? $key->{name} : $key->{name} =~ s/_/-/gr;
        my $left = $is_of_group ? qr/  / : $key->{letter} ? qr/  -$key->{letter}, --/ : qr/      --/;
        is scalar(() = $grouped =~ /^$left\Q$option\E(?: |$)/mg), 1, "$key->{title}: in one group";
        # Each program start takes a while: one key of each kind is enough.
        next if $seen{"$key->{type} $key->{scope} " . defined $key->{letter}}++;
        my ($name) = map { $_ % 3 == 0 && $key->{letter} ? "-$key->{letter}" : $_ % 3 == 1 && !$is_of_group ? "--$option" : $key->{name} } $turn++;
        my $said = try('--help', $name)->{out};
        like $said, qr/^\Q$key->{name}\E: .*^  In FILE:  \Q$key->{name}\E = VALUE$/ms, "--help $name: what it is, and how it is written";
        unlike $said, qr/^.{80}/m, 'no line is too long';
        next if $key->{type} ne 'NUMBER';
        like $said, qr/^  Values:   $key->{least} to $key->{most} /m, 'the range';
        like $said, qr/^  Default:  $key->{default}$/m, 'the default' if $key->{name} !~ /\Amax_(?:sessions_)?per_ip\z/;
    }
    like try('--help=login_timeout')->{out}, qr/^login_timeout: /, 'after a =';
    for my $command (map { $_->[1] } rows('config/operator_command.def', 'OPERATOR_COMMAND')) {
        like try('--help', $command)->{out}, qr/^  \Q$command\E(?: |$)/m, "--help $command";
        like $overview, qr/^  .*\b$command\b/m, 'which the overview names';
    }
    is_usage_error('an unknown name', qr/--help nonsense: no group, key, option or command has this name/, '--help', 'nonsense');
};

scene 'every option of the manual is accepted' => sub {
    my $server = server(messages => ["Subject: x\r\n\r\n"]);
    my $acp    = acp('exit 0');
    my $logs   = directory(0777);
    my @sets = (
        [],
        [qw(-m)],
        [ '-t', 600 ], ['-t600'],
        [ '-a', $acp ], [ '-a', $acp, '-v', 'X_' ],
        [ '-l', $logs ],
        ['-e'], [ '-e', '-c', '%' ], [ '-e', '-s', 'a.example,b.example' ],
        [ '-em', '-t', 600 ],
    );
    for my $set (@sets) {
        my $client = proxy(@$set, $server->address)->client->login;
        like $client->quit, qr/^\+OK/, "[@$set]: a session";
    }
    my $client = proxy('--', $server->address)->client->login;
    like $client->quit, qr/^\+OK/, '-- ends the options';
};

scene 'long names of the manual\'s options' => sub {
    my $server = server();
    my @long = ('--select-server', '--quiet', '--timeout', 600, '--acp', acp('exit 0'), '--acp-prefix', 'P_',
        '--client-log', directory(0777), '--delimiters', '%', '--allow-servers', 'a.example');
    my $client = proxy(@long, $server->address)->client->login;
    like $client->quit, qr/^\+OK/, 'a session';
};

scene 'a timeout below that of RFC 1939 is accepted with a warning' => sub {
    expect_log('configuration');
    my $client = proxy('-t', 5, server()->address)->client->login;
    like $client->quit, qr/^\+OK/, 'a session';
    my @warnings = grep { ($_->{priority} & 7) == 4 && /timeout/ || $_->{raw} =~ /timeout/ } log_lines();
    is scalar(grep { $_->{pid} == $client->process->pid } @warnings), 1, 'one line says so';
};

done;
