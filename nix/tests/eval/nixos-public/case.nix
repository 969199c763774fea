# A system service for other machines, with socket activation.
{
  nixos.services.moonrelay = {
    enable = true;
    credentials.MOONRELAY_TOKEN = "/run/secrets/moonrelay";
    openFirewall = true;
    socketActivation = true;
    settings.gateway = {
      auth.token = "\${MOONRELAY_TOKEN}";
      bind = "all";
    };
  };
}
