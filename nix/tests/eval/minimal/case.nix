# Nothing but enabled.
{home.services.moonrelay.enable = true;}
