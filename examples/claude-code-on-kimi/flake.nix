{
  description = "Claude Code with Kimi";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    moonrelay.url = "github:moonrelay/moonrelay";
  };

  outputs = {
    nixpkgs,
    home-manager,
    moonrelay,
    ...
  }: {
    homeConfigurations.alice = home-manager.lib.homeManagerConfiguration {
      pkgs = nixpkgs.legacyPackages.x86_64-linux;
      modules = [
        moonrelay.homeModules.default
        {
          home = {
            username = "alice";
            homeDirectory = "/home/alice";
            stateVersion = "26.05";
          };

          programs.claude-code = {
            enable = true;
            # Install Claude Code separately: `pkgs.claude-code` is unfree.
            package = null;
          };

          services.moonrelay = {
            enable = true;
            clients.claude-code.enable = true;
            credentials.KIMI_API_KEY = "%h/.secrets/kimi";
            settings = {
              agents.defaults.model = "kimi/kimi-for-coding";
              # Claude Code also requests its own model names, for small tasks.
              models.routes."claude-*" = "default";
            };
          };
        }
      ];
    };
  };
}
