"""What is here and what will bite: one module a concern, each a set of examinations that yield findings.

An examination only looks: it changes nothing and leaves nothing behind. It reads the machine below a root folder, so
that a made-up tree can stand for any machine.
"""
