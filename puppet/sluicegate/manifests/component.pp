# One component in one version, or none: packages of the system's package manager, or an archive.
#
# @param version
#   The exact version of every package, as the package manager spells it; 'absent' for none.
# @param packages
#   The packages that the component consists of.
# @param archive
#   In place of packages: `folder` gets `releases/VERSION` with what was in the archive, and the link `current` to it.
#   `source` is where `file` comes from (an URL, or a path), `sha256` what it must be. `keep` releases that ran before
#   stay for a way back.
# @param service
#   A service that runs, and is started anew when the version changes. Without one that is the package's business.
define sluicegate::component (
  String[1]                $version,
  Array[String[1]]         $packages = [$title],
  Optional[Struct[{
        folder           => Pattern[/\A\/[A-Za-z0-9._\/-]+\z/],
        Optional[source] => String[1],
        Optional[file]   => Pattern[/\A[A-Za-z0-9_][A-Za-z0-9._+~-]*\z/],
        Optional[sha256] => Pattern[/\A[0-9a-f]{64}\z/],
        Optional[keep]   => Integer[1],
  }]]                      $archive  = undef,
  Optional[String[1]]      $service  = undef,
) {
  if $version != 'absent' and $version !~ /\A[A-Za-z0-9][A-Za-z0-9.+:~_-]*\z/ {
    fail("the version '${version}' of ${title} is none")
  }

  if $archive =~ Undef {
    # Puppet calls the package manager for each package by itself: those that need each other's exact version must be
    # allowed to wait for each other, so all of a component's packages come before its service.
    package { $packages:
      ensure => $version,
    }
    $installed = Package[$packages]
  } elsif $version == 'absent' {
    file { "${archive['folder']}/current":
      ensure => absent,
    }
    $installed = File["${archive['folder']}/current"]
  } else {
    $folder   = $archive['folder']
    $download = "${folder}/downloads/${archive['file']}"
    $release  = "${folder}/releases/${version}"

    file {
      default:
        ensure => directory,
        ;
      $folder:
        ;
      "${folder}/releases":
        ;
      "${folder}/downloads":
        recurse => true,
        purge   => true,
    }

    file { $download:
      ensure         => file,
      source         => $archive['source'],
      checksum       => 'sha256',
      checksum_value => $archive['sha256'],
    }

    # Whoever looks sees a whole release, or none.
    $unpack = 'set -e; rm -rf -- "$2.new"; mkdir -- "$2.new"; tar -xf "$1" -C "$2.new"; mv -T -- "$2.new" "$2"'
    exec { "unpack ${title} ${version}":
      command => ['sh', '-c', $unpack, 'sh', $download, $release],
      creates => $release,
      path    => ['/usr/local/bin', '/usr/bin', '/bin'],
      require => [File["${folder}/releases"], File[$download]],
    }

    file { "${folder}/current":
      ensure  => link,
      target  => "releases/${version}",
      require => Exec["unpack ${title} ${version}"],
    }
    $installed = File["${folder}/current"]

    # Only when another version has come; the newest by when it last came, as an archive may bring times of its own.
    $keep   = $archive['keep'] ? { undef => 3, default => $archive['keep'] }
    $forget = 'set -e; cd -- "$1"; touch -- "$2"; ls -1t | tail -n "+$(($3 + 2))" | xargs -r rm -rf --'
    exec { "forget old releases of ${title}":
      command     => ['sh', '-c', $forget, 'sh', "${folder}/releases", $version, "${keep}"],
      path        => ['/usr/local/bin', '/usr/bin', '/bin'],
      refreshonly => true,
      subscribe   => File["${folder}/current"],
    }
  }

  if $service !~ Undef {
    if $version == 'absent' {
      service { $service:
        ensure => stopped,
        enable => false,
      }
      Service[$service] -> $installed
    } else {
      service { $service:
        ensure => running,
        enable => true,
      }
      $installed ~> Service[$service]
    }
  }
}
