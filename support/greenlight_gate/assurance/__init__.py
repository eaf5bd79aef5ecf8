"""The self-test of the suite: every seeded defect is detected by its rule, and a healthy backend is approved.

python -m greenlight_gate.assurance            the whole matrix, printed
python -m greenlight_gate.assurance --help     other actions
"""
