# A home with the module, evaluated with the real home-manager.
{
  home-manager,
  lib,
  pkgs,
  self,
}: let
  inherit (pkgs.stdenv.hostPlatform) isDarwin;
  base = {
    home = {
      username = "alice";
      homeDirectory =
        if isDarwin
        then "/Users/alice"
        else "/home/alice";
      stateVersion = "26.05";
    };
  };
  extended = import "${home-manager}/modules/lib/stdlib-extended.nix" lib;
in {
  # The configuration as a user gets it: a failed assertion throws.
  configuration = module:
    home-manager.lib.homeManagerConfiguration {
      inherit pkgs;
      modules = [base module self.homeModules.default];
    };

  # The messages of failed assertions; null if the module system rejects the configuration.
  failures = module: let
    inherit
      (extended.evalModules {
        class = "homeManager";
        modules =
          [base module self.homeModules.default]
          ++ import "${home-manager}/modules/modules.nix" {
            inherit pkgs;
            check = true;
            lib = extended;
            # Use the given packages instead of importing nixpkgs again.
            useNixpkgsModule = false;
          };
        specialArgs.modulesPath = "${home-manager}/modules";
      })
      config
      ;
    # The values that the module sets. Evaluating the whole home would take too long.
    values = [
      config.launchd.agents
      config.services.moonrelay.settings
      config.systemd.user.services
      config.home.sessionVariables
    ];
    failed = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
    result = builtins.tryEval (builtins.deepSeq values (builtins.deepSeq failed failed));
  in
    if result.success
    then result.value
    else null;
}
