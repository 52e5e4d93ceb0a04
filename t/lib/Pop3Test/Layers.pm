# SPDX-License-Identifier: BSD-2-Clause
#
# Checks the structure of a source tree and of the archive built from it:
#
#   - every folder is a layer, and a file includes only from its own folder or a lower one;
#   - only one folder includes OpenSSL;
#   - object files do not call each other in a circle.
#
# t/layers.t runs this on src/, and on small trees with one planted fault each.

package Pop3Test::Layers;

use strict;
use warnings;
use Exporter 'import';
use File::Find;
use List::Util qw(uniq);

our @EXPORT_OK = qw(@LAYERS sources folders wrong_includes parse_nm symbols circles);

our @LAYERS = qw(base io tls pop3 route config helper check session pool status compare master);    # lowest first

# Every source file below $top, as a path relative to it, sorted.
sub sources {
    my ($top) = @_;
    my @found;
    find({ no_chdir => 1, wanted => sub { push @found, substr $_, 1 + length $top if /\.(?:c|h|def)\z/ } }, $top);
    return sort @found;
}

# The folder of a source: '' at the top (main.c), which may include everything.
sub _folder { my ($path) = @_; return $path =~ m{\A(.*)/} ? $1 : '' }

sub folders { my ($top) = @_; return uniq grep { length } map { _folder($_) } sources($top) }

# [kind of bracket, name] for each include of a file.
sub _includes {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    return map { /^\s*#\s*include\s*([<"])([^>"]+)/ ? [ $1, $2 ] : () } <$file>;
}

# The folder that an include in quotes means: its own if the name has none.
sub _meant {
    my ($own, $name) = @_;
    my $meant = _folder($name);
    return $meant if $meant !~ m{\A\.\.?(?:/|\z)};
    my @parts = split m{/}, $own;
    for my $part (split m{/}, $meant) {
        if    ($part eq '..') { pop @parts }
        elsif ($part ne '.')  { push @parts, $part }
    }
    return join '/', @parts;
}

# One line for each file in a folder that is no layer, each include from a higher folder, and each
# include of OpenSSL outside src/tls.
sub wrong_includes {
    my ($top) = @_;
    my %height = map { $LAYERS[$_] => $_ } 0 .. $#LAYERS;
    my @wrong;
    for my $path (sources($top)) {
        my $own = _folder($path);
        push @wrong, "$path: $own/ is not a layer" if length $own && !exists $height{$own};
        for my $include (_includes("$top/$path")) {
            my ($bracket, $name) = @$include;
            push @wrong, "$path includes <$name>, which only tls/ may" if $name =~ m{\Aopenssl/} && $own ne 'tls';
            next if $bracket eq '<' || !length $own;
            my $meant = _meant($own, $name) || $own;
            push @wrong, "$path includes $name, which is not in a lower layer"
                if $meant ne $own && ($height{$meant} // @LAYERS) > ($height{$own} // -1);
        }
    }
    return @wrong;
}

# What the objects of an archive define and need; the lines are those of `nm -P'. A list of {name,
# defines => {symbol => 1}, needs => {symbol => 1}}. Two objects of one name are two entries.
sub parse_nm {
    my @objects;
    for my $line (@_) {
        if ($line =~ /\[(?:.*-)?([^\]]+)\.o\]:$/) {
            push @objects, { name => $1, defines => {}, needs => {} };
        } elsif (my ($symbol, $kind) = $line =~ /\A(\S+) ([A-Z])\b/) {
            $objects[-1]{ $kind eq 'U' ? 'needs' : 'defines' }{$symbol} = 1;
        }
    }
    return @objects;
}

sub symbols {
    my ($archive) = @_;
    open my $nm, '-|', $ENV{NM} || 'nm', '-P', $archive or die "nm: $!\n";
    my @objects = parse_nm(<$nm>);
    close $nm or die "nm $archive: failed\n";
    return @objects;
}

# The circles among objects as symbols() gives them: for each the names of its objects, sorted, and the
# symbols by which they need each other.
sub circles {
    my (@objects) = @_;
    my (%definer, @needs);
    for my $i (0 .. $#objects) {
        $definer{$_} = $i for keys %{ $objects[$i]{defines} };
    }
    for my $i (0 .. $#objects) {
        for my $symbol (sort keys %{ $objects[$i]{needs} }) {
            my $other = $definer{$symbol} // next;
            push @{ $needs[$i]{$other} }, $symbol if $other != $i;
        }
    }
    my @reach = map { _reach($_, \@needs) } 0 .. $#objects;
    my (%seen, @circles);
    for my $i (0 .. $#objects) {
        next if $seen{$i} || !$reach[$i]{$i};
        my @members = grep { $reach[$i]{$_} && $reach[$_]{$i} } 0 .. $#objects;
        $seen{$_} = 1 for @members;
        push @circles, { objects => [ sort map { $objects[$_]{name} } @members ],
            links => [ map { _links($_, \@members, \@objects, \@needs) } @members ] };
    }
    return @circles;
}

# The objects that one needs, directly or through others.
sub _reach {
    my ($start, $needs) = @_;
    my %reached;
    my @next = keys %{ $needs->[$start] || {} };
    while (defined(my $i = pop @next)) {
        push @next, keys %{ $needs->[$i] || {} } if !$reached{$i}++;
    }
    return \%reached;
}

sub _links {
    my ($from, $members, $objects, $needs) = @_;
    return map { "$objects->[$from]{name} needs $objects->[$_]{name}: @{ $needs->[$from]{$_} }" }
        grep { $needs->[$from]{$_} } @$members;
}

1;
