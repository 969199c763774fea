# Every check of the flake: those of the package, and one for each case in nix/tests, examples/ and templates/.
{
  docs,
  evaluations,
  examples,
  home-manager,
  lib,
  nixpkgs,
  pkgs,
  self,
}: let
  inherit (pkgs.stdenv) buildPlatform hostPlatform;
  package = self.packages.${hostPlatform.system}.moonrelay;
  reference = docs pkgs;
  common = {inherit home-manager lib nixpkgs pkgs self;};
  withPrefix = prefix: lib.mapAttrs' (name: lib.nameValuePair "${prefix}-${name}");
  fs = lib.fileset;

  # A check whose result is known after the evaluation. Its build does nothing.
  evaluationCheck = name: result: builtins.deepSeq result (pkgs.runCommandLocal name {} "touch $out");

  general = {
    inherit package;

    formatting =
      pkgs.runCommandLocal "formatting" {
        nativeBuildInputs = [pkgs.alejandra pkgs.deadnix];
        src = fs.toSource {
          root = ../.;
          fileset = fs.fileFilter (file: file.hasExt "nix") ../.;
        };
      } ''
        alejandra --check "$src"
        deadnix --fail "$src"
        touch "$out"
      '';

    lib = evaluationCheck "lib" (import ./tests/lib {inherit lib;});

    options-complete = evaluationCheck "options-complete" (
      if reference.incomplete == []
      then true
      else throw "options without a description or an example: ${toString reference.incomplete}"
    );

    options-json = reference.options-json;

    options-reference = evaluationCheck "options-reference" (
      if builtins.readFile ../docs/reference/nix-options.md == reference.markdown
      then true
      else throw "docs/reference/nix-options.md is out of date. Update it: nix eval --raw .#options-markdown >docs/reference/nix-options.md"
    );

    shell = self.devShells.${hostPlatform.system}.default;
  };

  # The packaged program rejects an invalid configuration when the configuration is built.
  configRejection = lib.optionalAttrs (buildPlatform.canExecute hostPlatform) {
    unknown-model = let
      failed = pkgs.testers.testBuildFailure (import ./modules/config-file.nix {
        inherit lib pkgs;
        cfg = {
          inherit package;
          checkConfig = true;
          settings.agents.defaults.model = "moonshot/kimi-k33";
        };
      });
    in
      pkgs.runCommand "unknown-model" {} ''
        grep -F 'agents.defaults.model: ' ${failed}/testBuildFailure.log
        grep -F 'did you mean "kimi-k3"' ${failed}/testBuildFailure.log
        touch "$out"
      '';
  };

  # Examples for another system are only evaluated.
  exampleChecks = lib.mapAttrs (name: derivation:
    if derivation.system == hostPlatform.system
    then derivation
    else evaluationCheck name derivation.drvPath)
  (examples pkgs).checks;

  vmTests = lib.optionalAttrs hostPlatform.isLinux (import ./tests/vm common);
in
  general
  // configRejection
  // package.tests
  // withPrefix "eval" (evaluations pkgs).checks
  // withPrefix "rejected" (import ./tests/rejected common)
  // exampleChecks
  // withPrefix "vm" vmTests
