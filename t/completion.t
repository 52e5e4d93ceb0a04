# SPDX-License-Identifier: BSD-2-Clause
#
# The completion for bash, as it is built: it knows every option, command and key of the tables, and
# nothing else, and completes values by their kind.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tables qw(conf_keys rows);

installed('bash') or plan(skip_all => 'bash is not installed');

my $directory = directory();
my $script    = write_file("$directory/completion", example('completion/pop3.proxy'));
mkdir "$directory/folder" or die $!;
write_file("$directory/file", '');

# What a shell offers after each of these lists of words, of which the last is not complete.
sub offered {
    my (@lists) = @_;
    my $text = "load() { . $script; }\nload\n" . join '', map {
        my @words = @$_;
        "COMP_WORDS=(pop3.proxy @{[ map { qq('$_') } @words ]}); COMP_CWORD=@{[ scalar @words ]}\n_pop3_proxy\n"
        . qq(echo "\${COMPREPLY[*]}"\n)
    } @lists;
    my $result = run([ 'bash', '--norc', '-c', "cd $directory\n$text" ]);
    is $result->{err}, '', 'the shell has nothing to say';
    return map { [ sort split ] } split /\n/, $result->{out}, -1;
}

scene 'what the tables have' => sub {
    my @keys     = map { { %$_, option => $_->{name} eq 'listen' ? 'bind' : $_->{name} =~ s/_/-/gr } } grep { $_->{name} ne 'server' } conf_keys();
    my @commands = map { $_->[1] } rows('config/operator_command.def', 'OPERATOR_COMMAND');
    my @compare  = map { "--$_->[1]" } rows('compare/compare_option.def', 'COMPARE_OPTION');
    my ($options, $commands, $compare, $help) = offered(['--'], [ '-f', 'conf', '' ], [ 'compare', '--' ], [ '--help', '' ]);
    my %own = map { $_ => 1 } qw(--config --daemon --test-config --help --version --json);
    is_deeply [ grep { !$own{$_} } @$options ], [ sort map { "--$_->{option}" } grep { $_->{scope} ne 'GROUP' } @keys ], 'every option';
    is_deeply $commands, [ sort @commands ], 'every command';
    is_deeply $compare, [ sort @compare ], 'every option of compare';
    my %help = map { $_ => 1 } @$help;
    is_deeply [ grep { !$help{$_} } @commands, map { $_->{name} =~ s/_/-/gr } @keys ], [], 'what --help explains';
    is exit_code(run([ program(), '--help', $_ ])->{status}), 0, "--help $_ does" for @$help[ 0, 20, -1 ], qw(all commands limits);
    is_deeply [ grep { !$help{$_} } qw(all commands limits general) ], [], 'groups, too';
};

# What follows the word of a command: its names come first, then its options.
scene 'what follows a command' => sub {
    my @commands = map { { word => $_->[1], arguments => $_->[2] } } rows('config/operator_command.def', 'OPERATOR_COMMAND');
    for my $command (@commands) {
        my ($names) = $command->{arguments} =~ /\A([^[]*)/;
        $command->{names}   = [ split ' ', $names ];
        $command->{options} = [ sort $command->{arguments} =~ /\[(--\w+)/g ];
    }
    my @after = offered(map { my @names = map { 'x' } @{ $_->{names} }; [ '-f', 'file', $_->{word}, @names, '' ] } @commands);
    is_deeply shift @after, $_->{options}, "the options of $_->{word}" for @commands;
    my %told = map { $_->[1] => 1 } rows('session/outcome.def', 'OUTCOME'), rows('base/event.def', 'EVENT');
    my @got = offered([ 'explain', '' ], [ '-f', 'file', 'explain', 'idle-t' ], [ '-f', 'file', 'kick', '' ], [ '--control', 'file', 'hold', 'x', '' ],
        [ '-f', 'file', 'trace', '--' ], [ '-f', 'file', 'trace', '--output', '' ], [ '-f', 'file', 'trace', 'x', '--for', '1m', '--o' ],
        [ '-f', 'file', 'trace', 'x', '--output', 'f' ], [ '-f', 'file', 'trace', 'x', '--for', '' ], [ '-d', '--config', '=', 'file', 'status', '--' ],
        [ 'status', '--qui' ], [ '-f', 'explain', 'se' ]);
    is_deeply $got[0], [ sort keys %told ], 'every word that explain knows';
    is_deeply [ @got[ 1 .. 11 ] ],
        [ ['idle-timeout'], [], [], [], [ qw(--for --output) ], ['--output'], [qw(file folder)], [], ['--json'], ['--quiet'], ['servers'] ],
        'names before options, values by their kind, and options of the server where the word is a server';
};

scene 'values by their kind' => sub {
    my @got = offered([ '--tls', '' ], [ '--server-tls', 'i' ], [ '-f', '' ], [ '--acp', 'fi' ], [ '--workers', '' ], [ '--client-log', '' ],
        [ 'compare', '--old-tls', 's' ], [ 'compare', '--users', 'f' ], [ '--control', 'file', 'st' ], ['st'], ['c'], [ '--quiet', '--se' ],
        [ '--metrics-listen', "$directory/fi" ], [ '--bind', '1' ]);
    is_deeply [ @got[ 0 .. 11 ] ], [
        [qw(implicit no required stls)], ['implicit'], [qw(completion file folder)], ['file'], [], ['folder'],
        ['stls'], [qw(file folder)], ['status'], [], ['compare'],
        [ sort map { "--$_" } qw(select-server send-proxy-protocol send-xclient server-auth server-tls server-tls-ca server-tls-certificate
            server-tls-ciphers server-tls-key server-tls-min-version server-tls-verify server-timeout server-words sessions-per-worker) ] ],
        'choices, files, folders, and nothing where nothing is known';
    is_deeply [ @got[ 12, 13 ] ], [ ["$directory/file"], [] ], 'a path where a socket may be one';
};

done;
