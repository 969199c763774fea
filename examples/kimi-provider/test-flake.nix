# A minimal configuration to try the module: copy it to an empty directory as flake.nix. Without a key the service reports
# which one is missing.
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager.url = "github:nix-community/home-manager";
    moonrelay.url = "github:moonrelay/moonrelay";
  };

  outputs = {
    nixpkgs,
    home-manager,
    moonrelay,
    ...
  }: {
    homeConfigurations.test = home-manager.lib.homeManagerConfiguration {
      pkgs = nixpkgs.legacyPackages.x86_64-linux;
      modules = [
        moonrelay.homeModules.default
        {
          home.username = "test";
          home.homeDirectory = "/home/test";
          home.stateVersion = "26.05";

          services.moonrelay = {
            enable = true;
            environmentFile = "%h/.secrets/moonrelay.env";
            settings.agents.defaults.model = {
              primary = "kimi/kimi-for-coding";
              fallbacks = ["openrouter/auto"];
            };
          };
        }
      ];
    };
  };
}
