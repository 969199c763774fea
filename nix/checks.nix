# Every check, found and not listed: the package's own, and each file of nix/tests, examples/ and templates/.
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
  named = prefix: lib.mapAttrs' (name: lib.nameValuePair "${prefix}-${name}");
  fs = lib.fileset;

  # A check that the evaluation decides; building it says nothing more.
  decided = name: verdict: builtins.deepSeq verdict (pkgs.runCommandLocal name {} "touch $out");

  own = {
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

    lib = decided "lib" (import ./tests/lib);

    options-complete = decided "options-complete" (
      if reference.incomplete == []
      then true
      else throw "without a description or an example: ${toString reference.incomplete}"
    );

    options-json = reference.options-json;

    options-reference = decided "options-reference" (
      if builtins.readFile ../docs/reference/nix-options.md == reference.markdown
      then true
      else throw "docs/reference/nix-options.md is out of date: nix eval --raw .#options-markdown >docs/reference/nix-options.md"
    );

    shell = self.devShells.${hostPlatform.system}.default;
  };

  # The program that is packaged refuses a bad configuration while the configuration is built.
  refusedByProgram = lib.optionalAttrs (buildPlatform.canExecute hostPlatform) {
    dangling-reference = let
      failed = pkgs.testers.testBuildFailure (import ./modules/config-file.nix {
        inherit lib pkgs;
        cfg = {
          inherit package;
          checkConfig = true;
          settings.agents.defaults.model = "moonshot/kimi-k33";
        };
      });
    in
      pkgs.runCommand "dangling-reference" {} ''
        grep -F 'agents.defaults.model: ' ${failed}/testBuildFailure.log
        grep -F 'did you mean "kimi-k3"' ${failed}/testBuildFailure.log
        touch "$out"
      '';
  };

  # Examples of another system are evaluated here and built there.
  shown = lib.mapAttrs (name: derivation:
    if derivation.system == hostPlatform.system
    then derivation
    else decided name derivation.drvPath)
  (examples pkgs).checks;

  machines = lib.optionalAttrs hostPlatform.isLinux (import ./tests/vm common);
in
  own
  // refusedByProgram
  // package.tests
  // named "eval" (evaluations pkgs).checks
  // named "refused" (import ./tests/refused common)
  // shown
  // named "vm" machines
