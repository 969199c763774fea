{
  description = "Kimi with OpenRouter as the fallback";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    moonrelay = {
      url = "github:moonrelay/moonrelay";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.home-manager.follows = "home-manager";
    };
  };

  outputs = {
    nixpkgs,
    home-manager,
    moonrelay,
    ...
  }: let
    # Replace with your system and your user name. `home-manager switch --flake .#alice` uses the name.
    system = "x86_64-linux";
    user = "alice";
  in {
    homeConfigurations.${user} = home-manager.lib.homeManagerConfiguration {
      pkgs = nixpkgs.legacyPackages.${system};
      modules = [
        moonrelay.homeModules.default
        {
          home = {
            username = user;
            homeDirectory = "/home/${user}";
            stateVersion = "26.05";
          };
          programs.home-manager.enable = true;

          services.moonrelay = {
            enable = true;

            # Two files with mode 0600. Each contains only a key.
            credentials = {
              KIMI_API_KEY = "%h/.secrets/kimi";
              OPENROUTER_API_KEY = "%h/.secrets/openrouter";
            };

            documents = ./documents;

            settings = {
              agents.defaults = {
                model = {
                  primary = "kimi/kimi-for-coding";
                  fallbacks = ["openrouter/auto"];
                };
                models."kimi/kimi-for-coding".alias = "kimi";
              };

              # The provider is built in; only its key is configured.
              models.providers.kimi.apiKey = "\${KIMI_API_KEY}";

              # Model names that clients request.
              models.routes = {
                "claude-*" = "default";
                "gpt-*" = "default";
              };
            };
          };
        }
      ];
    };
  };
}
