# Only enabled.
{home.services.moonrelay.enable = true;}
