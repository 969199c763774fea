# The crate by crane: dependencies are built once for the package, clippy and the tests.
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
  # What the compiler reads: a change in the documentation does not rebuild the crate.
  crate = [../.cargo ../Cargo.lock ../Cargo.toml ../benches ../rustfmt.toml ../clippy.toml ../src];
  # The tests read the documentation too: they compare the generated pages and follow every link.
  tested =
    crate
    ++ [
      ../.ci
      ../CHANGELOG.md
      ../CONTRIBUTING.md
      ../LICENSE
      ../README.md
      ../docs
      ../examples
      # The corpora are replayed, through the judges of the fuzz targets.
      ../fuzz/corpus
      ../fuzz/src
      (fs.difference ../tests ../tests/nix)
    ];

  common = {
    pname = "moonrelay";
    inherit ((lib.importTOML ../Cargo.toml).package) version;
    src = sources crate;
    strictDeps = true;
    # Upstreams of the tests are simulated on loopback addresses.
    __darwinAllowLocalNetworking = true;
  };
  cargoArtifacts = craneLib.buildDepsOnly common;
  with' = attrs: common // {inherit cargoArtifacts;} // attrs;
in
  craneLib.buildPackage (with' {
    # `-p` leaves the benchmarks out.
    cargoExtraArgs = "--locked -p moonrelay";
    doCheck = false;
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
        clippy = craneLib.cargoClippy (with' {
          src = sources tested;
          cargoClippyExtraArgs = "--all-targets -- -D warnings";
        });
        deny = craneLib.cargoDeny {
          inherit (common) pname version;
          src = sources (crate ++ [../deny.toml]);
        };
        docs = craneLib.cargoDoc (with' {
          cargoDocExtraArgs = "--no-deps";
          RUSTDOCFLAGS = "-D warnings";
        });
        fmt = craneLib.cargoFmt {
          inherit (common) pname src version;
        };
      }
      # They read /proc and call script(1) and prlimit(1) of Linux.
      // lib.optionalAttrs hostPlatform.isLinux {
        tests = craneLib.cargoTest (with' {
          src = sources tested;
          nativeCheckInputs = [pkgs.buildPackages.util-linux];
        });
      };

    meta = {
      description = "A personal LLM gateway: Kimi answers first, and when it cannot, the next model of the chain does";
      longDescription = ''
        One local endpoint for coding agents and SDKs. It asks the models of a chain in order, so that a rate limit, an
        empty balance or an outage of one provider ends in an answer of the next one.
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
