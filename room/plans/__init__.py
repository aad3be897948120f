"""Who may have how much: limits of the room, of classes and of users, and what follows for one."""
