# The crate, built with crane. Clippy and the tests share one build of the dependencies. The package has its own, with
# full link-time optimisation.
{
  crane,
  lib,
  pkgs,
}: let
  craneLib = crane.mkLib pkgs;
  inherit (pkgs.stdenv) buildPlatform hostPlatform;
  fs = lib.fileset;
  root = ../.;
  sources = fileset:
    fs.toSource {
      inherit root;
      fileset = fs.unions fileset;
    };
  # The files that the compiler reads. A change in the documentation does not rebuild the crate.
  crate = [../Cargo.lock ../Cargo.toml ../benches ../crates ../rustfmt.toml ../clippy.toml ../src];
  # The tests also read the documentation: they compare the generated pages and follow every link.
  testFiles =
    crate
    ++ [
      ../.ci
      ../CHANGELOG.md
      ../CONTRIBUTING.md
      ../LICENSE
      ../README.md
      ../docs
      ../examples
      # The tests replay the corpora through the checks of the fuzz targets.
      ../fuzz/corpus
      ../fuzz/src
      # A test compares a unit of the module with the one of `moonrelay service install`.
      ./tests/eval/simulated-syscalls
      (fs.difference ../tests ../tests/nix)
    ];

  common = {
    pname = "moonrelay";
    inherit ((lib.importTOML ../Cargo.toml).package) version;
    src = sources crate;
    strictDeps = true;
    # The tests use simulated providers on loopback addresses.
    __darwinAllowLocalNetworking = true;
  };
  cargoArtifacts = craneLib.buildDepsOnly common;
  withArtifacts = attrs: common // {inherit cargoArtifacts;} // attrs;
  packageArgs =
    common
    // {
      CARGO_PROFILE = "dist";
      # `-p` excludes the benchmarks.
      cargoExtraArgs = "--locked -p moonrelay --features otel";
      doCheck = false;
    };
  withPackageArtifacts = attrs: packageArgs // {cargoArtifacts = craneLib.buildDepsOnly packageArgs;} // attrs;
in
  craneLib.buildPackage (withPackageArtifacts {
    nativeBuildInputs = [pkgs.buildPackages.installShellFiles];

    postInstall = lib.optionalString (buildPlatform.canExecute hostPlatform) ''
      for shell in bash fish zsh; do
        "$out/bin/moonrelay" completions "$shell" >"moonrelay.$shell"
      done
      installShellCompletion moonrelay.{bash,fish,zsh}
      mkdir -p "$out/share/man/man1"
      "$out/bin/moonrelay" man "$out/share/man/man1"
    '';

    passthru.tests =
      {
        clippy = craneLib.cargoClippy (withArtifacts {
          src = sources testFiles;
          cargoClippyExtraArgs = "--all-targets -- -D warnings";
        });
        deny = craneLib.cargoDeny {
          inherit (common) pname version;
          src = sources (crate ++ [../deny.toml]);
        };
        docs = craneLib.cargoDoc (withArtifacts {
          cargoDocExtraArgs = "--no-deps";
          RUSTDOCFLAGS = "-D warnings";
        });
        fmt = craneLib.cargoFmt {
          inherit (common) pname src version;
        };
      }
      # The tests read /proc and call script(1) and prlimit(1) of util-linux.
      // lib.optionalAttrs hostPlatform.isLinux {
        tests = craneLib.cargoTest (withArtifacts {
          src = sources testFiles;
          nativeCheckInputs = [pkgs.buildPackages.util-linux];
        });
      };

    meta = {
      description = "Local LLM gateway for coding agents, with failover from Kimi to other models";
      longDescription = ''
        One local endpoint for coding agents and SDKs. The gateway tries the models of a fallback chain in order. If a
        provider is rate-limited, out of quota or down, the next one answers the request.
      '';
      homepage = "https://github.com/moonrelay/moonrelay";
      changelog = "https://github.com/moonrelay/moonrelay/blob/main/CHANGELOG.md";
      license = lib.licenses.mit;
      maintainers = [];
      mainProgram = "moonrelay";
      platforms = lib.platforms.linux ++ lib.platforms.darwin;
      sourceProvenance = [lib.sourceTypes.fromSource];
    };
  })
