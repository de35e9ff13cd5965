"""Whom the system talks to: mail, event bus, queues, secrets; and the two libraries that hash and print."""
