{
  description = "Moonrelay, a personal LLM gateway";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    crane.url = "github:ipetkov/crane";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs = {
    self,
    nixpkgs,
    crane,
    home-manager,
  }: let
    inherit (nixpkgs) lib;
    systems = ["aarch64-darwin" "aarch64-linux" "x86_64-linux"];
    eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    forSystem = pkgs: outputs: outputs.${pkgs.stdenv.hostPlatform.system};
    build = pkgs: import ./nix/package.nix {inherit crane lib pkgs;};
    docs = pkgs: import ./nix/docs.nix {inherit home-manager lib pkgs self;};
    evaluations = pkgs: import ./nix/tests/eval {inherit home-manager lib nixpkgs pkgs self;};
    examples = _: import ./nix/tests/examples.nix {inherit home-manager lib nixpkgs self;};
  in {
    packages = eachSystem (pkgs: {
      default = (forSystem pkgs self.packages).moonrelay;
      moonrelay = build pkgs;
      moonrelay-static = build pkgs.pkgsStatic;
      inherit (docs pkgs) docs options-json;
    });

    # The option reference and the evaluated test cases as text: `nix eval --raw .#evaluated.minimal.service`.
    legacyPackages = eachSystem (pkgs: {
      evaluated = (evaluations pkgs).texts;
      evaluated-files = (evaluations pkgs).files;
      example-settings = (examples pkgs).settings;
      options-markdown = (docs pkgs).markdown;
    });

    overlays.default = final: _: {moonrelay = build final;};

    homeModules.default = lib.modules.importApply ./nix/modules/home-manager.nix {inherit self;};
    # The name in older configurations.
    homeManagerModules = self.homeModules;
    nixosModules.default = lib.modules.importApply ./nix/modules/nixos.nix {inherit self;};

    apps = eachSystem (pkgs: {
      default = {
        type = "app";
        program = lib.getExe (forSystem pkgs self.packages).moonrelay;
        meta.description = "Run the gateway and its commands";
      };
    });

    devShells = eachSystem (pkgs: {
      default = import ./nix/shell.nix {
        inherit pkgs;
        package = (forSystem pkgs self.packages).moonrelay;
      };
    });

    formatter = eachSystem (pkgs: pkgs.alejandra);

    checks = eachSystem (pkgs: import ./nix/checks.nix {inherit docs evaluations examples home-manager lib nixpkgs pkgs self;});

    templates = import ./templates;

    lib = import ./nix/lib {inherit lib;};
  };
}
