"""What an application offers: every operation with what it takes, what it answers, and who may ask.

Parts put in what they register; documents, discovery and other transports read it. Everything here comes from the
declarations that requests are judged by, so that it says what happens.
"""
