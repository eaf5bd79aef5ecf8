@security @severity.critical
Feature: A user never receives another user's data
  Every user has a secret of their own, which only their own answers may hold.

  Rule: A user receives their own data, and nobody else does

    Example: Users who ask at the same moment receive only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When all of them ask for their secrets at the same moment
      Then each of them receives their own secret, and nothing of the others

    Example: Users who ask at the same moment three times receive only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When all of them ask for their secrets at the same moment, in 3 rounds
      Then each of them receives their own secret, and nothing of the others

    Example: Users who connect one after the other receive only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When they connect, ask for their secrets and disconnect, one after the other, in 2 rounds
      Then each of them receives their own secret, and nothing of the others

    Example: A user who connects right after another one receives only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When each of them disconnects as soon as an answer begins, and the next one connects at once
      Then each of them receives their own secret, and nothing of the others

    Example: Users with two tabs receive only their own secret in both
      Given 2 to 8 users have each told the assistant a secret
      When each of them opens a second tab and asks for the secret in both tabs
      Then each of them receives their own secret, and nothing of the others

    Example: The prompts to the model of two users who ask at the same moment hold only their own questions
      Given Ada and Bashir are each in a conversation of their own
      When both ask, at the same moment, a question at which the model sends its first token late
      Then each prompt to the model is seen to hold its user's own question

  Rule: No reconnect, error or load gives access to another conversation

    Example: Users who reconnect at the same moment receive only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When all of them disconnect, reconnect and ask for their secrets
      Then each of them receives their own secret, and nothing of the others

    Example: Users who ask after an invalid message receive only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When each of them sends a truncated message and then asks for the secret
      Then each of them receives their own secret, and nothing of the others

    Example: Users who ask during others' long answers receive only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When each half of them asks for their secrets while the other half waits for long answers
      Then each of them receives their own secret, and nothing of the others

    Example: Users who try to restore others' conversations receive only their own secret
      Given 2 to 8 users have each told the assistant a secret
      When each of them asks to restore the next one's conversation, and then for the secret
      Then each of them receives their own secret, and nothing of the others

    @crowd
    Example: Users who ask while 25 connections are open receive only their own secret
      Given 25 connections of users who have each told the assistant a secret
      When all of them ask for their secrets at the same moment
      Then each of them receives their own secret, and nothing of the others
